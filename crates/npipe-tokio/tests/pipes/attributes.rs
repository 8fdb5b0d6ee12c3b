//! Functions that take security attributes as pointers.
#![allow(unsafe_code, reason = "the functions under test take pointers")]

use std::ffi::c_void;
use std::io;
use std::ptr;

use crate::support::{NAME, Place};
use crate::{client_options, server_options};

#[repr(C)]
struct Attributes {
    length: u32,
    descriptor: *const c_void,
    inherit: i32,
}

/// Security attributes as pointers: none, an inheritable end, and what there is none of.
#[tokio::test]
async fn security_attributes() -> io::Result<()> {
    let place = Place::new();
    let length = size_of::<Attributes>() as u32;
    let (server, client) = (server_options(&place), client_options(&place));
    let of = |length, descriptor, inherit| Attributes {
        length,
        descriptor,
        inherit,
    };
    // SAFETY: null is allowed.
    let plain = unsafe { server.create_with_security_attributes_raw(NAME, ptr::null_mut()) }?;
    // SAFETY: null is allowed.
    drop(unsafe { client.open_with_security_attributes_raw(NAME, ptr::null_mut()) }?);
    drop(plain);
    for (mut attributes, kind) in [
        (of(length, ptr::null(), 1), None),
        (
            of(length, ptr::from_ref(&place).cast(), 0),
            Some(io::ErrorKind::Unsupported),
        ),
        (of(length - 1, ptr::null(), 0), Some(io::ErrorKind::InvalidInput)),
    ] {
        let attributes = ptr::from_mut(&mut attributes).cast();
        // SAFETY: it points to such a structure.
        let made = unsafe { server.create_with_security_attributes_raw(NAME, attributes) };
        assert_eq!(made.err().map(|error| error.kind()), kind);
    }
    let _server = server.create(NAME)?;
    let mut with_descriptor = of(length, ptr::from_ref(&place).cast(), 0);
    // SAFETY: it points to such a structure.
    let opened = unsafe { client.open_with_security_attributes_raw(NAME, ptr::from_mut(&mut with_descriptor).cast()) };
    assert!(opened.is_ok(), "a descriptor is for what is made");
    Ok(())
}
