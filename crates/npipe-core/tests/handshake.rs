//! The codec of the control socket, against itself and against hostile bytes.
//!
//! The protocol is npipe's own, so hardly any rule of the specification speaks of it.

use npipe_core::handshake::frame::{HEADER_BYTES, MAX_FRAME_BYTES, VERSION};
use npipe_core::handshake::{
    ClientReport, Connection, Decoder, Flow, InstanceReport, Message, PipeReport, ProtocolError, Serving, Traffic,
    WantedInstance,
};
use npipe_core::mode::{Access, Direction, PipeType, ReadMode};
use npipe_core::name::{MAX_NAME_UNITS, PipeName};
use npipe_core::pipe::{Attributes, InstanceState};
use npipe_core::qos::{ImpersonationLevel, SecurityQos};
use npipe_core::security::descriptor::MAX_DESCRIPTOR_BYTES;
use npipe_core::security::{AccessList, Ace, Acl, SecurityDescriptor, SecurityInformation, Sid};
use npipe_core::status::Status;
use proptest::prelude::*;

fn any_name() -> impl Strategy<Value = PipeName> {
    prop::collection::vec(1u16.., 1..=MAX_NAME_UNITS).prop_map(|units| PipeName::from_units(&units).unwrap())
}

fn any_access() -> impl Strategy<Value = Access> {
    any::<u32>().prop_map(Access::from_win32)
}

/// The codec of descriptors has tests of its own.
fn any_security() -> impl Strategy<Value = SecurityDescriptor> {
    prop::collection::vec(any::<(u32, u32)>(), 0..20).prop_map(|entries| {
        let aces = entries
            .into_iter()
            .map(|(mask, uid)| Ace::allowed(mask, Sid::user(uid)));
        security_of(aces.collect())
    })
}

fn any_qos() -> impl Strategy<Value = SecurityQos> {
    (0u32..4, any::<[bool; 2]>()).prop_map(|(level, [dynamic_tracking, effective_only])| SecurityQos {
        level: ImpersonationLevel::from_win32(level).unwrap(),
        dynamic_tracking,
        effective_only,
    })
}

fn security_of(aces: Vec<Ace>) -> SecurityDescriptor {
    let mut descriptor: SecurityDescriptor = "O:BAG:SY".parse().unwrap();
    descriptor.dacl = AccessList::List(Acl::new(aces).unwrap());
    descriptor
}

fn any_type() -> impl Strategy<Value = PipeType> {
    prop::sample::select(vec![PipeType::Byte, PipeType::Message])
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![Direction::Inbound, Direction::Outbound, Direction::Duplex])
}

fn any_instance() -> impl Strategy<Value = InstanceReport> {
    let state = prop::sample::select(vec![
        InstanceState::Listening,
        InstanceState::Connected,
        InstanceState::Closing,
        InstanceState::Disconnected,
    ]);
    let client = any::<Option<(Option<u32>, u32, u32)>>()
        .prop_map(|client| client.map(|(pid, uid, gid)| ClientReport { pid, uid, gid }));
    let fixed = (state, any::<[u32; 3]>(), client);
    let traffic = prop::option::of((any_flow(), any_flow()))
        .prop_map(|flows| flows.map(|(inbound, outbound)| Traffic { inbound, outbound }));
    (fixed, any::<Option<u64>>(), traffic).prop_map(
        |((state, [server_pid, out_quota, in_quota], client), age_ms, traffic)| InstanceReport {
            state,
            server_pid,
            client,
            out_quota,
            in_quota,
            age_ms,
            traffic,
        },
    )
}

fn any_flow() -> impl Strategy<Value = Flow> {
    any::<([u64; 2], Option<u64>)>().prop_map(|([bytes, unread_bytes], messages)| Flow {
        bytes,
        unread_bytes,
        messages,
    })
}

prop_compose! {
    fn any_connection()(
        pipe_type in any_type(),
        direction in any_direction(),
        max_instances in 1u32..=255,
        [out_quota, in_quota, instances, server_pid, listener_pid]: [u32; 5],
        [segment_bytes, pipe_id]: [u64; 2],
        access in any_access(),
        security in any_security(),
    ) -> Connection {
        Connection {
            pipe_type, direction, out_quota, in_quota, max_instances, instances, server_pid,
            listener_pid, segment_bytes, pipe_id, access, security,
        }
    }
}

prop_compose! {
    fn any_report()(
        name in any_name(),
        pipe_type in any_type(),
        direction in any_direction(),
        max_instances in 1u32..=255,
        [default_timeout_ms, server_pid, listener_pid, instance_count]: [u32; 4],
        pipe_id: u64,
        security in any_security(),
        instances in prop::collection::vec(any_instance(), 0..20),
    ) -> PipeReport {
        PipeReport {
            name, pipe_type, direction, max_instances, default_timeout_ms, server_pid, listener_pid,
            pipe_id, security, instance_count, instances,
        }
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::all().collect::<Vec<_>>())
}

prop_compose! {
    fn any_attributes()(
        pipe_type in any_type(),
        direction in any_direction(),
        max_instances in 1u32..=255,
        default_timeout_ms: u32,
        security in any_security(),
    ) -> Attributes {
        Attributes { direction, pipe_type, max_instances, default_timeout_ms, security }
    }
}

fn any_serving() -> impl Strategy<Value = Serving> {
    let read_mode = prop::sample::select(vec![ReadMode::Byte, ReadMode::Message]);
    prop_oneof![
        (any_name(), any::<(u64, u64, u32)>()).prop_map(|(name, (member, pipe_id, posts))| Serving::Join {
            name,
            member,
            pipe_id,
            posts
        }),
        (any::<(u64, u32)>(), any_attributes()).prop_map(|((pipe_id, listener_pid), attributes)| Serving::Joined {
            pipe_id,
            listener_pid,
            attributes
        }),
        (any::<(u64, bool, [u32; 3])>(), any_direction(), read_mode).prop_map(
            |((number, first_instance, [out_quota, in_quota, further_rights]), direction, read_mode)| Serving::Create {
                number,
                wanted: WantedInstance {
                    direction,
                    read_mode,
                    first_instance,
                    out_quota,
                    in_quota,
                    further_rights
                }
            }
        ),
        any::<u64>().prop_map(|number| Serving::Created { number }),
        (any::<u64>(), any_status()).prop_map(|(number, status)| Serving::NotCreated { number, status }),
        (any::<(u64, u64)>(), prop::option::of(any_instance())).prop_map(|((number, since), report)| Serving::Post {
            number,
            since,
            report
        }),
        (any::<(u64, u64, u32)>(), any_access(), any_qos()).prop_map(|((number, since, instances), access, qos)| {
            Serving::Admit {
                number,
                since,
                access,
                qos,
                instances,
            }
        }),
        prop::collection::vec(any::<u64>(), 0..40).prop_map(|members| Serving::Members { members }),
        any_security().prop_map(|security| Serving::Security { security }),
        Just(Serving::Asked),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any_serving().prop_map(Message::Serving),
        (any_name(), any_access(), any_qos(), any::<Option<u32>>()).prop_map(|(name, access, qos, processor)| {
            Message::Open {
                name,
                access,
                qos,
                processor,
            }
        }),
        any_connection().prop_map(Message::Opened),
        any_status().prop_map(|status| Message::Refused { status }),
        any_name().prop_map(|name| Message::Wait { name }),
        any::<u32>().prop_map(|default_timeout_ms| Message::Waiting { default_timeout_ms }),
        Just(Message::Ready),
        (prop::option::of(any_name()), prop::option::of(any::<u32>()))
            .prop_map(|(name, server_pid)| Message::Query { name, server_pid }),
        any_report().prop_map(Message::Info),
        (any::<u64>(), 0_u32..16, any_security()).prop_map(|(pipe_id, parts, security)| Message::SetSecurity {
            pipe_id,
            parts: SecurityInformation::from_win32(parts),
            security,
        }),
        Just(Message::SecuritySet),
        (1000u16..).prop_map(|kind| Message::Unknown { kind }),
    ]
}

/// All messages in a whole stream.
fn decode(bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder.next_message()? {
        messages.push(message);
    }
    decoder.finish()?;
    Ok(messages)
}

fn frame(version: u16, kind: u16, length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"npip".to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn field(tag: u16, value: &[u8]) -> Vec<u8> {
    let length = value.len() as u16;
    [&tag.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
}

fn report_of(instance_count: u32) -> PipeReport {
    let instance = InstanceReport {
        state: InstanceState::Connected,
        server_pid: 1,
        client: Some(ClientReport {
            pid: Some(2),
            uid: 3,
            gid: 4,
        }),
        out_quota: 5,
        in_quota: 6,
        age_ms: None,
        traffic: None,
    };
    PipeReport {
        name: PipeName::from_typed(b"x").unwrap(),
        pipe_type: PipeType::Byte,
        direction: Direction::Duplex,
        max_instances: 255,
        default_timeout_ms: 50,
        server_pid: 1,
        listener_pid: 1,
        pipe_id: 7,
        security: security_of(Vec::new()),
        instance_count,
        instances: vec![instance; instance_count as usize],
    }
}

/// No rule: the protocol is npipe's own.
#[test]
fn more_instances_than_fit_are_counted_but_not_listed() {
    let whole = report_of(10_000);
    let bytes = Message::Info(whole.clone()).encode();
    assert!(bytes.len() <= MAX_FRAME_BYTES);
    let messages = decode(&bytes).unwrap();
    let [Message::Info(decoded)] = &messages[..] else {
        panic!("not one report");
    };
    assert_eq!(decoded.instance_count, 10_000);
    assert!(decoded.instances.len() > 500);
    assert_eq!(decoded.instances, whole.instances[..decoded.instances.len()]);
}

/// No rule: the protocol is npipe's own.
#[test]
fn a_report_fills_its_frame_to_the_last_byte() {
    let mut report = report_of(10_000);
    // Somewhere within the length of one instance the next one fits exactly; names have two bytes for each character.
    let longest = (1..200).map(|length| {
        report.name = PipeName::from_typed("x".repeat(length).as_bytes()).unwrap();
        let bytes = Message::Info(report.clone()).encode();
        assert!(decode(&bytes).is_ok());
        bytes.len()
    });
    assert_eq!(longest.max(), Some(MAX_FRAME_BYTES));
}

/// semantics 265
#[test]
fn the_longest_descriptor_travels_and_a_longer_one_is_refused() {
    let mut ace = Ace::allowed(1, Sid::EVERYONE);
    let most = (MAX_DESCRIPTOR_BYTES - security_of(Vec::new()).byte_len()) / ace.byte_len();
    let mut aces = vec![ace; most];
    let longest = security_of(aces.clone());
    assert_eq!(longest.check_supported(), Ok(()));
    let report = |security| {
        Message::Info(PipeReport {
            security,
            ..report_of(500)
        })
    };
    let bytes = report(longest.clone()).encode();
    assert!(bytes.len() <= MAX_FRAME_BYTES);
    let messages = decode(&bytes).unwrap();
    assert!(
        matches!(&messages[..], [Message::Info(report)] if report.security == longest && report.instances.len() > 10)
    );
    ace.mask = 2;
    aces.extend([ace; 2]);
    assert_eq!(
        decode(&report(security_of(aces)).encode()),
        Err(ProtocolError::Field(29))
    );
}

/// No rule: the protocol is npipe's own.
#[test]
fn the_bytes_of_a_request_never_change() {
    let open = Message::Open {
        name: PipeName::from_typed("é".as_bytes()).unwrap(),
        access: Access::READ,
        qos: SecurityQos::default(),
        processor: None,
    };
    let body = [field(1, &[0xE9, 0]), field(2, &[0x89, 0, 0x12, 0])].concat();
    assert_eq!(open.encode(), frame(4, 1, 14, &body));
}

/// A client that lets its server do what no version knows is not let in as one that allows everything. semantics 262
#[test]
fn an_unknown_quality_of_service_is_refused() {
    let open = |flags: u32| {
        let fields = [
            field(1, &[b'x', 0]),
            field(2, &[0x81, 0, 0, 0]),
            field(32, &flags.to_le_bytes()),
        ];
        let body = fields.concat();
        decode(&frame(VERSION, 1, body.len() as u32, &body))
    };
    for flags in [0, 0x0002_0000, 0x0030_0000, u32::MAX] {
        assert_eq!(open(flags), Err(ProtocolError::Field(32)), "{flags:#x}");
    }
    let level = ImpersonationLevel::Identification;
    let lowered = |message: &Message| matches!(message, Message::Open { qos, .. } if qos.level == level);
    assert!(open(0x0011_0000).is_ok_and(|messages| messages.iter().all(lowered)));
}

/// No rule: the protocol is npipe's own.
#[test]
fn a_status_of_a_later_version_is_still_a_refusal() {
    let body = field(3, &0xDEAD_BEEF_u32.to_le_bytes());
    let status = Status::SystemError;
    assert_eq!(
        decode(&frame(VERSION, 3, 8, &body)),
        Ok(vec![Message::Refused { status }])
    );
}

/// No rule: the protocol is npipe's own.
#[test]
fn fields_and_kinds_of_a_later_version_are_skipped() {
    let name = PipeName::from_typed(b"x").unwrap();
    let body = [field(9999, b"later"), field(1, &[b'x', 0]), field(9998, b"")].concat();
    let length = body.len() as u32;
    assert_eq!(
        decode(&frame(VERSION, 4, length, &body)),
        Ok(vec![Message::Wait { name }])
    );
    assert_eq!(
        decode(&frame(VERSION, 4000, length, &body)),
        Ok(vec![Message::Unknown { kind: 4000 }])
    );
}

/// semantics 8, 22
#[test]
fn values_outside_their_limits_are_refused() {
    let wait = |name: &[u8]| {
        let body = field(1, name);
        decode(&frame(VERSION, 4, body.len() as u32, &body))
    };
    for name in [&b""[..], b"x", b"\0\0", &[b'x'; 2 * MAX_NAME_UNITS + 2]] {
        assert_eq!(wait(name), Err(ProtocolError::Field(1)));
    }
    let mut report = report_of(0);
    for max_instances in [0, 256] {
        report.max_instances = max_instances;
        let bytes = Message::Info(report.clone()).encode();
        assert_eq!(decode(&bytes), Err(ProtocolError::Field(8)));
    }
    assert_eq!(decode(&frame(VERSION, 1, 0, &[])), Err(ProtocolError::Field(1)));
}

/// No rule: the protocol is npipe's own.
#[test]
fn bad_headers_are_refused_at_once() {
    let too_long = (MAX_FRAME_BYTES - HEADER_BYTES + 1) as u32;
    for (bytes, error) in [
        (b"GET".to_vec(), ProtocolError::Magic),
        (b"npiq".to_vec(), ProtocolError::Magic),
        (frame(1, 6, 0, &[]), ProtocolError::Version(1)),
        (frame(VERSION + 1, 6, 0, &[]), ProtocolError::Version(VERSION + 1)),
        (frame(VERSION, 6, too_long, &[]), ProtocolError::TooLong(too_long)),
        (frame(VERSION, 6, u32::MAX, &[]), ProtocolError::TooLong(u32::MAX)),
        (frame(VERSION, 6, 3, &[1, 2, 3]), ProtocolError::Body),
        (frame(VERSION, 6, 4, &[1, 0, 1, 0]), ProtocolError::Body),
    ] {
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        assert_eq!(decoder.next_message(), Err(error));
        // Nothing that follows is believed.
        decoder.push(&Message::Ready.encode());
        assert_eq!(decoder.next_message(), Err(error));
        assert_eq!(decoder.finish(), Err(error));
        assert_eq!(Status::from(error), Status::PeerMisbehaved);
    }
}

proptest! {
    /// No rule: the protocol is npipe's own.
    #[test]
    fn messages_survive_the_journey_in_pieces(
        messages in prop::collection::vec(any_message(), 0..5),
        pieces in prop::collection::vec(1usize..200, 1..50),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(Message::encode).collect();
        let mut decoder = Decoder::new();
        let mut decoded = Vec::new();
        let mut rest = &bytes[..];
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(rest.len().min(*piece));
            rest = later;
            decoder.push(now);
            while let Some(message) = decoder.next_message().unwrap() {
                decoded.push(message);
            }
        }
        prop_assert_eq!(decoder.finish(), Ok(()));
        // Names are equal without regard to case; their text shows it.
        prop_assert_eq!(format!("{decoded:?}"), format!("{messages:?}"));
        prop_assert_eq!(decoded, messages);
    }

    /// No rule: the protocol is npipe's own.
    #[test]
    fn a_frame_cut_short_is_noticed(message in any_message(), at: prop::sample::Index) {
        let bytes = message.encode();
        let cut = at.index(bytes.len());
        let expected = if cut == 0 { Ok(vec![]) } else { Err(ProtocolError::CutShort) };
        prop_assert_eq!(decode(&bytes[..cut]), expected);
    }

    /// No rule: the protocol is npipe's own.
    #[test]
    fn random_bytes_never_panic(kind in 0u16..10, body: Vec<u8>, start: bool) {
        let bytes = if start { frame(VERSION, kind, body.len() as u32, &body) } else { body };
        let _ = decode(&bytes);
    }

    /// No rule: the protocol is npipe's own.
    #[test]
    fn damaged_frames_never_panic(
        message in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = message.encode();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decode(&bytes);
    }
}

proptest! {
    /// No rule: the protocol is npipe's own.
    #[test]
    fn descriptors_come_with_two_kinds_of_message(serving in any_serving()) {
        let brings = matches!(serving, Serving::Joined { .. } | Serving::Admit { .. } | Serving::Asked);
        prop_assert_eq!(serving.brings_descriptor(), brings);
    }
}

/// No rule: the protocol is npipe's own.
#[test]
fn errors_say_what_the_other_end_did() {
    for (error, words) in [
        (ProtocolError::Magic, "npipe"),
        (ProtocolError::Version(77), "77"),
        (ProtocolError::TooLong(99_999), "99999"),
        (ProtocolError::CutShort, "middle of a frame"),
        (ProtocolError::Body, "cut short"),
        (ProtocolError::Field(12), "12"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}
