//! Descriptors as peers and programs give them, bytes and texts: each is refused, or is the same one however it is written down.

#![no_main]

use libfuzzer_sys::fuzz_target;
use npipe_core::SecurityDescriptor;
use npipe_core::security::{PeerIdentity, Sid};

fn check(descriptor: &SecurityDescriptor) {
    let bytes = descriptor.encode();
    assert_eq!(bytes.len(), descriptor.byte_len());
    let same = SecurityDescriptor::decode(&bytes).expect("a descriptor that was one already");
    assert_eq!(same, *descriptor);
    for uid in [0, 1000, 65534] {
        let identity = PeerIdentity {
            uid,
            gid: 100,
            ..PeerIdentity::default()
        };
        if let Ok(granted) = descriptor.check(&identity, 1) {
            assert_eq!(granted, 1);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    if let Ok(descriptor) = SecurityDescriptor::decode(input) {
        check(&descriptor);
    }
    if let Ok(sid) = Sid::from_prefix(input) {
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(descriptor) = text.parse::<SecurityDescriptor>() {
        check(&descriptor);
        assert_eq!(descriptor.to_string().parse(), Ok(descriptor));
    }
});
