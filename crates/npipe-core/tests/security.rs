//! Descriptors as bytes and as text: what comes back, and what is refused.

use npipe_core::Status;
use npipe_core::security::acl::{ACL_HEADER_BYTES, MAX_ACL_BYTES};
use npipe_core::security::descriptor::{HEADER_BYTES, MAX_DESCRIPTOR_BYTES};
use npipe_core::security::{AccessList, Ace, AceKind, Acl, SecurityDescriptor, SecurityInformation, Sid};
use proptest::prelude::*;

fn sid() -> impl Strategy<Value = Sid> {
    let free = (0_u64..1 << 48, prop::collection::vec(any::<u32>(), 0..=15))
        .prop_map(|(authority, subs)| Sid::new(authority, &subs).unwrap());
    prop_oneof![
        free,
        any::<u32>().prop_map(Sid::user),
        any::<u32>().prop_map(Sid::group),
        prop::sample::select(vec![Sid::EVERYONE, Sid::ADMINISTRATORS, Sid::OWNER_RIGHTS]),
    ]
}

fn list(kinds: [AceKind; 2]) -> impl Strategy<Value = AccessList> {
    let mask = prop_oneof![
        any::<u32>(),
        prop::sample::select(vec![0, 3, 0x001f_01ff, 0x0012_0089, 0x0002_0019, 0xf000_0000, 1 << 18]),
    ];
    // The flags that SDDL can say.
    let ace =
        (prop::sample::select(kinds.to_vec()), any::<u8>(), mask, sid()).prop_map(|(kind, flags, mask, sid)| Ace {
            kind,
            flags: flags & 0xdf,
            mask,
            sid,
        });
    let aces = prop::collection::vec(ace, 0..6);
    prop_oneof![
        Just(AccessList::Absent),
        Just(AccessList::Null),
        aces.prop_map(|aces| AccessList::List(Acl::new(aces).unwrap())),
    ]
}

fn descriptor() -> impl Strategy<Value = SecurityDescriptor> {
    let lists = (
        list([AceKind::Allowed, AceKind::Denied]),
        list([AceKind::Audit, AceKind::MandatoryLabel]),
    );
    let sids = (prop::option::of(sid()), prop::option::of(sid()));
    (sids, lists, any::<u16>()).prop_map(|((owner, group), (dacl, sacl), control)| {
        let mut descriptor = SecurityDescriptor::default();
        (descriptor.owner, descriptor.group) = (owner, group);
        (descriptor.dacl, descriptor.sacl) = (dacl, sacl);
        descriptor.set_control(control);
        descriptor
    })
}

/// The descriptor without the control bits that its text does not have.
fn as_text_has_it(descriptor: &SecurityDescriptor) -> SecurityDescriptor {
    let mut kept = descriptor.clone();
    let of = |list: &AccessList, bits| if *list == AccessList::Absent { 0 } else { bits };
    kept.set_control(descriptor.control() & (of(&kept.dacl, 0x1500) | of(&kept.sacl, 0x2a00)));
    kept
}

proptest! {
    /// No rule: the form is the documentation's.
    #[test]
    fn bytes_give_it_back(descriptor in descriptor()) {
        let bytes = descriptor.encode();
        prop_assert_eq!(bytes.len(), descriptor.byte_len());
        prop_assert_eq!(SecurityDescriptor::decode(&bytes).unwrap(), descriptor);
        for cut in 0..bytes.len() {
            // A list may end with room that nothing lies in, but not beyond the bytes.
            let _ = SecurityDescriptor::decode(&bytes[..cut]);
        }
    }

    /// No rule: the form is the documentation's.
    #[test]
    fn the_text_gives_it_back(descriptor in descriptor()) {
        let text = descriptor.to_string();
        let read: SecurityDescriptor = text.parse().unwrap();
        prop_assert_eq!(&read, &as_text_has_it(&descriptor));
        prop_assert_eq!(read.to_string(), text);
    }

    /// No rule: a peer may write anything.
    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SecurityDescriptor::decode(&bytes);
        let _ = Acl::from_prefix(&bytes);
    }

    /// No rule: a peer may write anything.
    #[test]
    fn changed_bytes_are_refused_or_mean_something(
        descriptor in descriptor(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = descriptor.encode();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(read) = SecurityDescriptor::decode(&bytes) {
            prop_assert_eq!(SecurityDescriptor::decode(&read.encode()).unwrap(), read);
        }
    }

    /// No rule: texts come from anybody.
    #[test]
    fn any_text_is_harmless(text in "[OGDSAWB:();0-9xPIé\\- ]{0,60}") {
        if let Ok(read) = text.parse::<SecurityDescriptor>() {
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }
    }
}

/// semantics 264
#[test]
fn texts_are_read_as_windows_reads_them() {
    let same = |text: &str| {
        let read: SecurityDescriptor = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.to_string(), text);
        read
    };
    same("");
    same("O:BAG:SYD:PAI(D;;GA;;;AN)(A;OICIIO;GWGR;;;AU)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-22-1-1000)");
    same("D:(A;;FA;;;OW)(A;;FR;;;IU)(A;;FW;;;BU)(A;;FX;;;CO)(A;;0x12019f;;;WD)");
    same("D:ARS:P(AU;SAFA;GW;;;WD)(ML;;NWNR;;;LW)");
    assert_eq!(same("D:").dacl, AccessList::List(Acl::default()));
    assert_eq!(same("D:NO_ACCESS_CONTROL").dacl, AccessList::Null);
    assert_eq!(same("O:SY").dacl, AccessList::Absent);
    let spaced: SecurityDescriptor = " g:sy d:p ( a ; ci ; 3 ; ; ; wd ) (A;;GAFR;;;S-1-0x5-18) o: ba "
        .parse()
        .unwrap();
    assert_eq!(spaced.to_string(), "O:BAG:SYD:P(A;CI;CCDC;;;WD)(A;;0x10120089;;;SY)");
}

/// No rule: the words are for people.
#[test]
fn what_is_wrong_with_a_text_is_said() {
    for (text, status, says) in [
        ("X:BA", Status::InvalidParameter, "O:, G:, D: and S:"),
        ("O:BAO:BA", Status::InvalidParameter, "twice"),
        ("O:QQ", Status::InvalidSid, "\"QQ\" is not a SID"),
        ("O:DA", Status::InvalidSid, "domain"),
        ("O:", Status::InvalidSid, "not a SID"),
        ("D:Q(A;;GA;;;WD)", Status::InvalidAcl, "flag of a list"),
        ("D:(A;;GA;;;WD", Status::InvalidAcl, "closing"),
        ("D:(A;;GA;;;WD)x", Status::InvalidAcl, "parentheses"),
        ("D:(A;;GA;;WD)", Status::InvalidAcl, "looks like"),
        ("D:(AU;;GA;;;WD)", Status::InvalidAcl, "A or D"),
        ("S:(A;;GA;;;WD)", Status::InvalidAcl, "AU or ML"),
        ("D:(A;;GB;;;WD)", Status::InvalidAcl, "\"GB\" is not known"),
        ("D:(A;;0x100000000;;;WD)", Status::InvalidAcl, "32 bits"),
        ("D:(A;;0x+1;;;WD)", Status::InvalidAcl, "not known"),
        ("D:(A;XX;GA;;;WD)", Status::InvalidAcl, "\"XX\" is not known"),
        ("D:(OA;;GA;;;WD)", Status::InvalidAcl, "not supported"),
        ("D:(XA;;GA;;;WD;(x==1))", Status::InvalidAcl, "condition"),
        (
            "D:(A;;GA;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)",
            Status::InvalidAcl,
            "object",
        ),
        ("D:NO_ACCESS_CONTROL(A;;GA;;;WD)", Status::InvalidAcl, "no list"),
    ] {
        let error = text.parse::<SecurityDescriptor>().unwrap_err();
        assert_eq!(error.status(), status, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

/// No rule: a peer may write anything.
#[test]
fn parts_that_lie_elsewhere_are_refused() {
    let good = "O:BAG:SYD:(A;;GA;;;WD)S:(AU;SA;GA;;;WD)";
    let bytes = good.parse::<SecurityDescriptor>().unwrap().encode();
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = bytes.clone();
        changes.iter().for_each(|(at, value)| bytes[*at] = *value);
        SecurityDescriptor::decode(&bytes).map_err(|error| error.status())
    };
    assert_eq!(with(&[]).unwrap().to_string(), good);
    const DESCRIPTOR: Result<SecurityDescriptor, Status> = Err(Status::InvalidSecurityDescriptor);
    assert_eq!(with(&[(0, 2)]), DESCRIPTOR);
    assert_eq!(with(&[(3, 0)]), DESCRIPTOR, "not self-relative");
    for part in 0..4 {
        let place = 4 + 4 * part;
        assert_eq!(with(&[(place, 19), (place + 1, 0)]), DESCRIPTOR, "in the header");
        assert_eq!(with(&[(place + 3, 0xff)]), DESCRIPTOR, "outside");
    }
    // The lists in each other's place.
    assert_eq!(with(&[(12, bytes[16]), (16, bytes[12])]), Err(Status::InvalidAcl));
    let list = usize::from(bytes[16]);
    for (at, value) in [
        (0, 1),
        (0, 5),
        (2, 7),
        (3, 0xff),
        (4, 2),
        (8, 5),
        (8, 9),
        (10, 6),
        (10, 21),
        (11, 1),
    ] {
        assert!(with(&[(list + at, value)]).is_err(), "{at} {value}");
    }
    assert_eq!(with(&[(list + 16, 2)]), Err(Status::InvalidSid));
}

/// No rule: the bound is the library's.
#[test]
fn what_cannot_be_held_is_refused() {
    let ace = Ace::allowed(1, Sid::EVERYONE);
    let most = (MAX_ACL_BYTES - ACL_HEADER_BYTES) / ace.byte_len();
    let longest = Acl::new(vec![ace; most]).unwrap();
    assert_eq!(Acl::from_prefix(&longest.to_bytes()), Ok(longest.clone()));
    assert_eq!(Acl::new(vec![ace; most + 1]).unwrap_err().status(), Status::InvalidAcl);
    let with = |entries| {
        let mut descriptor = SecurityDescriptor::default();
        descriptor.dacl = AccessList::List(Acl::new(vec![ace; entries]).unwrap());
        descriptor
    };
    let fit = (MAX_DESCRIPTOR_BYTES - HEADER_BYTES - ACL_HEADER_BYTES) / ace.byte_len();
    assert_eq!(with(fit).check_supported(), Ok(()));
    let status = with(fit + 1).check_supported().unwrap_err().status();
    assert_eq!(status, Status::InvalidSecurityDescriptor);
}

/// A level that would keep others out on Windows keeps nobody out here, so it is not accepted.
///
/// No rule: there are no integrity levels here.
#[test]
fn integrity_levels_that_keep_out_are_refused() {
    let check = |text: &str| text.parse::<SecurityDescriptor>().unwrap().check_supported();
    for fine in [
        "",
        "S:",
        "S:(ML;;NW;;;LW)",
        "S:(ML;;NW;;;ME)",
        "S:(AU;SA;GA;;;WD)",
        "S:(ML;;NW;;;S-1-16-0)",
    ] {
        assert_eq!(check(fine), Ok(()), "{fine}");
    }
    for high in [
        "S:(ML;;NW;;;HI)",
        "S:(ML;;NW;;;SI)",
        "S:(ML;;NW;;;WD)",
        "S:(ML;;NW;;;MP)",
    ] {
        assert_eq!(check(high).unwrap_err().status(), Status::NotSupported, "{high}");
    }
}

/// semantics 265
#[test]
fn parts_are_taken_over_and_the_others_stay() {
    let old: SecurityDescriptor = "O:BAG:SYD:P(A;;GA;;;WD)".parse().unwrap();
    let new: SecurityDescriptor = "O:BUG:BGD:AI(D;;GA;;;AN)S:AI(AU;SA;GA;;;WD)".parse().unwrap();
    let taken = |bits| {
        let mut descriptor = old.clone();
        descriptor.take(SecurityInformation::from_win32(bits), &new);
        descriptor.to_string()
    };
    assert_eq!(taken(0), old.to_string());
    assert_eq!(taken(1), "O:BUG:SYD:P(A;;GA;;;WD)");
    assert_eq!(taken(2), "O:BAG:BGD:P(A;;GA;;;WD)");
    assert_eq!(taken(4), "O:BAG:SYD:AI(D;;GA;;;AN)");
    assert_eq!(taken(8), "O:BAG:SYD:P(A;;GA;;;WD)S:AI(AU;SA;GA;;;WD)");
    assert_eq!(taken(0xf), new.to_string());
    assert_eq!(
        new.only(SecurityInformation::from_win32(4)).to_string(),
        "D:AI(D;;GA;;;AN)"
    );
    let rights = |bits| {
        let parts = SecurityInformation::from_win32(bits);
        assert_eq!(parts.to_win32(), bits);
        (parts.rights_to_read(), parts.rights_to_write())
    };
    assert_eq!(rights(0), (0, 0));
    assert_eq!(rights(1), (0x2_0000, 0x8_0000));
    assert_eq!(rights(4), (0x2_0000, 0x4_0000));
    assert_eq!(rights(6), (0x2_0000, 0xc_0000));
    assert_eq!(rights(8), (0x100_0000, 0x100_0000));
}
