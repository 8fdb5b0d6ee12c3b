//! The seeds of the fuzz target `handshake`: messages of this version, each with all its fields.
//!
//! A fuzzer finds its way to a field from a message that has it, and a stream of an earlier version is refused at its first
//! frame. So what the repository has is compared with what is sent today. `NPIPE_SEEDS=write cargo test -p npipe-core --test
//! seeds` writes it anew.

use std::path::Path;

use npipe_core::handshake::frame::{HEADER_BYTES, MAX_FRAME_BYTES, VERSION};
use npipe_core::handshake::{
    ClientReport, Connection, Decoder, Flow, InstanceReport, Message, PipeReport, Serving, Traffic, WantedInstance,
};
use npipe_core::mode::{Access, Direction, PipeType, ReadMode};
use npipe_core::name::PipeName;
use npipe_core::pipe::{Attributes, InstanceState};
use npipe_core::qos::{ImpersonationLevel, SecurityQos};
use npipe_core::security::{SecurityDescriptor, SecurityInformation};
use npipe_core::status::Status;

/// The size of the pieces in which a seed arrives.
const PIECE_BYTES: u8 = 7;

fn name() -> PipeName {
    PipeName::from_typed(b"Printer").unwrap()
}

fn access() -> Access {
    Access::from_win32(0xC000_0000)
}

fn qos() -> SecurityQos {
    SecurityQos {
        level: ImpersonationLevel::Identification,
        dynamic_tracking: true,
        effective_only: true,
    }
}

fn security() -> SecurityDescriptor {
    "O:S-1-22-1-1000G:SYD:(A;;FA;;;SY)(A;;FR;;;WD)".parse().unwrap()
}

fn flow() -> Flow {
    Flow {
        bytes: 300,
        unread_bytes: 20,
        messages: Some(1),
    }
}

fn instance() -> InstanceReport {
    InstanceReport {
        state: InstanceState::Connected,
        server_pid: 50,
        client: Some(ClientReport {
            pid: Some(51),
            uid: 1000,
            gid: 1001,
        }),
        out_quota: 4096,
        in_quota: 512,
        age_ms: Some(7),
        traffic: Some(Traffic {
            inbound: flow(),
            outbound: flow(),
        }),
    }
}

fn open() -> Message {
    Message::Open {
        name: name(),
        access: access(),
        qos: qos(),
        processor: Some(1),
    }
}

fn opened() -> Message {
    Message::Opened(Connection {
        pipe_type: PipeType::Message,
        direction: Direction::Duplex,
        out_quota: 4096,
        in_quota: 512,
        max_instances: 255,
        instances: 2,
        server_pid: 50,
        listener_pid: 49,
        segment_bytes: 1 << 24,
        pipe_id: 9,
        access: access(),
        security: security(),
    })
}

fn info() -> Message {
    Message::Info(PipeReport {
        name: name(),
        pipe_type: PipeType::Byte,
        direction: Direction::Inbound,
        max_instances: 4,
        default_timeout_ms: 50,
        server_pid: 50,
        listener_pid: 49,
        pipe_id: 9,
        security: security(),
        instance_count: 2,
        instances: vec![instance(); 2],
    })
}

fn wanted() -> WantedInstance {
    WantedInstance {
        direction: Direction::Duplex,
        read_mode: ReadMode::Message,
        first_instance: true,
        out_quota: 4096,
        in_quota: 512,
        further_rights: 0x0004_0000,
    }
}

/// Those of clients and servers.
fn messages() -> Vec<(&'static str, Message)> {
    vec![
        ("open", open()),
        ("opened", opened()),
        (
            "refused",
            Message::Refused {
                status: Status::PipeNotAvailable,
            },
        ),
        ("wait", Message::Wait { name: name() }),
        ("waiting", Message::Waiting { default_timeout_ms: 50 }),
        ("ready", Message::Ready),
        (
            "query",
            Message::Query {
                name: Some(name()),
                server_pid: Some(50),
            },
        ),
        ("info", info()),
        (
            "set_security",
            Message::SetSecurity {
                pipe_id: 9,
                parts: SecurityInformation::from_win32(7),
                security: security(),
            },
        ),
        ("security_set", Message::SecuritySet),
        ("unknown", Message::Unknown { kind: 1000 }),
    ]
}

/// Those of processes that serve one name.
fn servings() -> Vec<(&'static str, Serving)> {
    let (number, since, pipe_id) = (3, 4, 9);
    vec![
        (
            "join",
            Serving::Join {
                name: name(),
                member: 5,
                pipe_id,
                posts: 1,
            },
        ),
        (
            "joined",
            Serving::Joined {
                pipe_id,
                listener_pid: 49,
                attributes: Attributes {
                    direction: Direction::Outbound,
                    pipe_type: PipeType::Message,
                    max_instances: 4,
                    default_timeout_ms: 50,
                    security: security(),
                },
            },
        ),
        (
            "create",
            Serving::Create {
                number,
                wanted: wanted(),
            },
        ),
        ("created", Serving::Created { number }),
        (
            "not_created",
            Serving::NotCreated {
                number,
                status: Status::InstanceNotAvailable,
            },
        ),
        (
            "post",
            Serving::Post {
                number,
                since,
                report: Some(instance()),
            },
        ),
        (
            "admit",
            Serving::Admit {
                number,
                since,
                access: access(),
                qos: qos(),
                instances: 2,
            },
        ),
        ("members", Serving::Members { members: vec![5, 6] }),
        ("security", Serving::Security { security: security() }),
        ("asked", Serving::Asked),
    ]
}

/// All seeds as streams, and how many messages are understood of each.
fn seeds() -> Vec<(&'static str, Vec<u8>, usize)> {
    let servings = servings()
        .into_iter()
        .map(|(seed, said)| (seed, Message::Serving(said)));
    let mut seeds: Vec<_> = messages()
        .into_iter()
        .chain(servings)
        .map(|(seed, message)| (seed, message.encode(), 1))
        .collect();
    let frame = open().encode();
    seeds.push(("two", [frame.clone(), Message::Ready.encode()].concat(), 2));
    seeds.push(("cut_short", frame[..frame.len() - 5].to_vec(), 0));
    let mut earlier = frame.clone();
    earlier[4..6].copy_from_slice(&(VERSION - 1).to_le_bytes());
    seeds.push(("version", earlier, 0));
    let mut too_long = frame[..HEADER_BYTES].to_vec();
    too_long[8..].copy_from_slice(&(MAX_FRAME_BYTES as u32).to_le_bytes());
    seeds.push(("too_long", too_long, 0));
    seeds
}

/// No rule: the protocol is npipe's own.
#[test]
fn the_fuzzer_begins_with_what_is_sent_today() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/handshake");
    if !corpus.is_dir() {
        println!("the crate is without its repository, which has the seeds");
        return;
    }
    for (seed, stream, understood) in seeds() {
        let mut decoder = Decoder::new();
        decoder.push(&stream);
        let messages = std::iter::from_fn(|| decoder.next_message().ok().flatten()).count();
        assert_eq!(messages, understood, "{seed}");
        let bytes = [&[PIECE_BYTES], &stream[..]].concat();
        let file = corpus.join(seed);
        if std::env::var_os("NPIPE_SEEDS").is_some_and(|wish| wish == "write") {
            std::fs::write(&file, &bytes).unwrap();
        }
        assert!(
            std::fs::read(&file).is_ok_and(|found| found == bytes),
            "the seed {seed} is not what is sent today; see above for how it is written anew"
        );
    }
}
