//! Creating instances.

use std::time::Duration;

#[cfg(unix)]
use npipe::InstanceState;
use npipe::{PipeClient, PipeListener, PipeMode, PipeServer};

use crate::support::relisten;
#[cfg(unix)]
use crate::support::until;
use crate::{NAME, Place, error, text};

/// semantics 19, 21, 22
#[test]
fn impossible_parameters_are_refused() {
    let place = Place::new();
    let nowhere = place.bytes().access_inbound(false).access_outbound(false).create(NAME);
    assert_eq!(error(nowhere), "ERROR_INVALID_PARAMETER");
    assert_eq!(
        error(place.bytes().read_mode(PipeMode::Message).create(NAME)),
        "ERROR_INVALID_PARAMETER"
    );
    assert_eq!(
        error(place.bytes().max_instances(0).create(NAME)),
        "ERROR_INVALID_PARAMETER"
    );
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    for instances in [1, 2, 254] {
        place.bytes().max_instances(instances).create(NAME).unwrap();
    }
}

/// semantics 22: 255 and more cannot be asked for at all, as with tokio.
#[test]
#[should_panic(expected = "254 instances")]
fn more_instances_than_there_may_be() {
    Place::new().bytes().max_instances(255);
}

/// semantics 23, 196
#[test]
fn without_a_limit_there_is_none() {
    let place = Place::new();
    let servers: Vec<_> = (0..300).map(|_| place.bytes().create(NAME).unwrap()).collect();
    assert_eq!(servers[0].info().unwrap().max_instances, 255);
    let clients: Vec<_> = (0..300).map(|_| place.open()).collect();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(clients[299].state().unwrap().instances, 300);
    for (number, client) in clients.iter().enumerate() {
        client.write(number.to_string().as_bytes()).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(text(server), number.to_string());
    }
}

/// semantics 24, 26, 27
#[test]
fn the_first_instance_decides_for_the_name() {
    let place = Place::new();
    let mut first = place.messages();
    let _first = first
        .max_instances(3)
        .default_timeout(Duration::from_millis(1234))
        .create(NAME)
        .unwrap();
    let mut second = place.bytes();
    second
        .max_instances(7)
        .default_timeout(Duration::from_millis(1))
        .nowait(true);
    let second = second.create(NAME).unwrap();

    let info = second.info().unwrap();
    assert_eq!((info.mode, info.max_instances), (PipeMode::Message, 3));
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.mode, details.max_instances), (PipeMode::Message, 3));
    // Windows does not tell.
    #[cfg(unix)]
    assert_eq!(details.default_timeout, Duration::from_millis(1234));
    // Its modes are its own.
    assert_eq!(second.state().unwrap().read_mode, PipeMode::Byte);
    assert!(second.state().unwrap().nowait);
    let third = place.messages().create(NAME).unwrap();
    assert_eq!(third.state().unwrap().read_mode, PipeMode::Message);
    assert!(!third.state().unwrap().nowait);
}

/// semantics 21, 98: no instance of a byte pipe reads messages.
#[test]
fn a_later_instance_cannot_read_bytes_by_messages() {
    let place = Place::new();
    let _first = place.bytes().create(NAME).unwrap();
    assert_eq!(error(place.messages().create(NAME)), "ERROR_INVALID_PARAMETER");
}

/// semantics 26: asked for as one of messages, it is one of bytes.
#[test]
fn a_later_instance_has_the_type_of_the_first() {
    let place = Place::new();
    let _first = place.bytes().create(NAME).unwrap();
    let later = place.messages().read_mode(PipeMode::Byte).create(NAME).unwrap();
    assert_eq!(later.info().unwrap().mode, PipeMode::Byte);
}

/// semantics 25
#[test]
fn the_direction_cannot_differ() {
    let place = Place::new();
    let _first = place.bytes().create(NAME).unwrap();
    assert_eq!(
        error(place.bytes().access_inbound(false).create(NAME)),
        "ERROR_ACCESS_DENIED"
    );
    assert_eq!(
        error(place.bytes().access_outbound(false).create(NAME)),
        "ERROR_ACCESS_DENIED"
    );
    place.bytes().create(NAME).unwrap();
}

/// semantics 28, 29
#[test]
fn the_limit_is_the_first_ones() {
    let place = Place::new();
    let first = place.bytes().max_instances(2).create(NAME).unwrap();
    let second = place.bytes().max_instances(2).create(NAME).unwrap();
    assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(error(place.bytes().max_instances(200).create(NAME)), "ERROR_PIPE_BUSY");

    // Whatever an instance does, it counts until it is closed; and then no longer.
    let client = place.open();
    first.disconnect().unwrap();
    assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
    for _ in 0..100 {
        drop(place.open());
        let third = second.try_clone().unwrap();
        assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
        drop(third);
        second.disconnect().unwrap();
        relisten(&second);
    }
    drop(first);
    let _third = place.bytes().create(NAME).unwrap();
    assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
    drop(client);
}

/// semantics 30
#[test]
fn the_first_instance_can_insist() {
    let place = Place::new();
    let refused = || {
        assert_eq!(
            error(place.bytes().first_pipe_instance(true).create(NAME)),
            "ERROR_ACCESS_DENIED"
        );
        // Which a listener always is.
        assert_eq!(
            error(PipeListener::bind_with(&place.bytes(), NAME)),
            "ERROR_ACCESS_DENIED"
        );
    };
    let first = place.bytes().first_pipe_instance(true).create(NAME).unwrap();
    refused();
    let second = place.bytes().create(NAME).unwrap();
    drop(first);
    refused();
    let _client = place.open();
    second.disconnect().unwrap();
    refused();
    drop(second);
    let listener = PipeListener::bind_with(&place.bytes(), NAME).unwrap();
    refused();
    drop(listener);
}

/// semantics 31
#[test]
fn others_need_not_insist() {
    let place = Place::new();
    for _ in 0..2 {
        let _first = place.bytes().first_pipe_instance(true).create(NAME).unwrap();
        place.bytes().create(NAME).unwrap();
    }
}

/// semantics 34, 35, 195
#[test]
fn quotas_are_reported_as_given() {
    let place = Place::new();
    for (out, inward) in [(0, 0), (1, 100), (0xf000, 4096), (65536, 1 << 20), (u32::MAX, 12345)] {
        let server = place
            .bytes()
            .out_buffer_size(out)
            .in_buffer_size(inward)
            .create(NAME)
            .unwrap();
        let client = place.open();
        for info in [server.info().unwrap(), client.info().unwrap()] {
            assert_eq!((info.out_buffer_size, info.in_buffer_size), (out, inward));
        }
        #[cfg(unix)]
        {
            let details = &place.namespace().info(NAME).unwrap().instances[0];
            assert_eq!((details.out_buffer_size, details.in_buffer_size), (out, inward));
        }
        client.write(b"").unwrap();
    }
}

/// semantics 36
#[test]
fn each_direction_has_its_quota() {
    let place = Place::new();
    let mut options = place.bytes();
    options.out_buffer_size(10).in_buffer_size(20).nowait(true);
    let server = options.create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    for (writer, quota) in [(&*server, 10), (&*client, 20)] {
        assert_eq!(writer.write(&vec![0; quota + 1]).unwrap(), 0);
        assert_eq!(writer.write(&vec![0; quota]).unwrap(), quota);
    }
}

/// semantics 35, 36
#[test]
fn each_instance_has_its_own_quotas_for_each_direction() {
    let place = Place::new();
    let small = place
        .bytes()
        .out_buffer_size(10)
        .in_buffer_size(20)
        .nowait(true)
        .create(NAME)
        .unwrap();
    let large = place
        .bytes()
        .out_buffer_size(30)
        .in_buffer_size(40)
        .nowait(true)
        .create(NAME)
        .unwrap();
    for (server, out, inward) in [(&small, 10, 20), (&large, 30, 40)] {
        let info = server.info().unwrap();
        assert_eq!((info.out_buffer_size, info.in_buffer_size), (out as u32, inward as u32));
        let client = place.client().nowait(true).open(NAME).unwrap();
        assert_eq!(server.write(&vec![0; out + 1]).unwrap(), 0);
        assert_eq!(server.write(&vec![0; out]).unwrap(), out);
        assert_eq!(client.write(&vec![0; inward + 1]).unwrap(), 0);
        assert_eq!(client.write(&vec![0; inward]).unwrap(), inward);
    }
}

/// semantics 37
#[cfg(unix)]
#[test]
fn the_default_time_out() {
    let place = Place::new();
    for (given, effective) in [(None, 50), (Some(0), 50), (Some(1), 1), (Some(98765), 98765)] {
        let mut options = place.bytes();
        if let Some(given) = given {
            options.default_timeout(Duration::from_millis(given));
        }
        let _server = options.create(NAME).unwrap();
        let details = place.namespace().info(NAME).unwrap();
        assert_eq!(details.default_timeout, Duration::from_millis(effective));
    }
}

/// semantics 40
#[test]
fn the_rights_of_a_server_follow_the_direction() {
    let place = Place::new();
    let inbound = place.bytes().access_outbound(false).create(NAME).unwrap();
    let client = place.client().read(false).open(NAME).unwrap();
    assert_eq!(error(inbound.write(b"x")), "ERROR_ACCESS_DENIED");
    client.write(b"in").unwrap();
    assert_eq!(text(&inbound), "in");
    drop(inbound);

    let outbound = place.bytes().access_inbound(false).create(NAME).unwrap();
    let client = place.client().write(false).open(NAME).unwrap();
    assert_eq!(error(outbound.read(&mut [0])), "ERROR_ACCESS_DENIED");
    assert_eq!(error(outbound.peek(&mut [0])), "ERROR_ACCESS_DENIED");
    outbound.write(b"out").unwrap();
    assert_eq!(text(&client), "out");
}

/// semantics 40, 190: a handle that may only be written to is known for what it is, too.
#[test]
fn an_end_that_only_writes_is_passed_on() {
    let place = Place::new();
    let mut options = place.bytes();
    let outbound = options.access_inbound(false).shareable(true).create(NAME).unwrap();
    let client = place.client().write(false).open(NAME).unwrap();
    let server = PipeServer::from_raw(outbound.into_raw().unwrap()).unwrap();
    server.write(b"passed on").unwrap();
    assert_eq!(text(&client), "passed on");
    let raw = server.into_raw().unwrap();
    assert_eq!(error(PipeClient::from_raw(raw)), "ERROR_INVALID_PARAMETER");
}

/// semantics 45
#[test]
fn remote_clients_may_be_refused() {
    let place = Place::new();
    for reject in [true, false] {
        let _server = place.bytes().reject_remote_clients(reject).create(NAME).unwrap();
        place.open();
    }
}

/// semantics 38, 56: an instance listens from its creation, and is seen doing what it does.
#[cfg(unix)]
#[test]
fn instances_are_seen_in_their_states() {
    let place = Place::new();
    let servers: Vec<_> = (0..4).map(|_| place.bytes().create(NAME).unwrap()).collect();
    let states = || {
        place
            .namespace()
            .info(NAME)
            .unwrap()
            .instances
            .iter()
            .map(|one| one.state)
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), [InstanceState::Listening; 4]);
    let mut clients: Vec<_> = (0..3).map(|_| place.open()).collect();
    servers[1].disconnect().unwrap();
    drop(clients.pop());
    let expected = [
        InstanceState::Connected,
        InstanceState::Disconnected,
        InstanceState::Closing,
        InstanceState::Listening,
    ];
    // The server hears of a closed client in its own time.
    until(|| (states() == expected).then_some(()));
}
