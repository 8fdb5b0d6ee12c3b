//! The state of a name that several processes serve: each process's share, and what it adopts.

use npipe_core::mode::Access;
use npipe_core::params::InstanceParams;
use npipe_core::pipe::{Instance, InstanceState, OwnerId, Pipe, WaitOutcome, WaiterId};
use npipe_core::status::Status;

const US: OwnerId = OwnerId(1);
const THEM: OwnerId = OwnerId(2);

fn limited(max_instances: u32) -> InstanceParams {
    InstanceParams {
        max_instances,
        ..InstanceParams::default()
    }
}

/// One process's share of a pipe has the attributes that the first instance fixed, and the instances it was allowed,
/// whatever the limit says: another keeps count.
///
/// semantics 24, 25, 28
#[test]
fn a_share_has_what_it_adopts() {
    let (whole, _) = Pipe::first(US, &limited(1)).unwrap();
    let mut share = Pipe::share(whole.attributes().clone());
    assert!(share.is_over());
    assert_eq!(share.attributes(), whole.attributes());
    for state in [
        InstanceState::Listening,
        InstanceState::Connected,
        InstanceState::Closing,
        InstanceState::Disconnected,
    ] {
        let id = share.reserve();
        let instance = Instance {
            id,
            owner: THEM,
            state,
            out_quota: 5,
            in_quota: 6,
        };
        let (connection, released) = share.adopt(instance);
        assert_eq!(share.instance(id), Some(instance));
        assert_eq!(connection.is_some(), state == InstanceState::Connected);
        assert!(released.is_empty());
        if let Some(connection) = connection {
            assert!(share.client_gone(id, connection));
        }
    }
    assert_eq!(share.instances().len(), 4);
    // The one that listens is found like any other.
    let opened = share.open(Access::default()).unwrap();
    assert_eq!(
        (opened.owner, share.open(Access::default())),
        (THEM, Err(Status::PipeNotAvailable))
    );
}

/// Who waits hears of an adopted instance that listens, and of no other.
///
/// semantics 86
#[test]
fn adopting_a_listener_lets_waiters_go() {
    let (mut pipe, first) = Pipe::first(US, &limited(9)).unwrap();
    pipe.open(Access::default()).unwrap();
    assert_eq!(pipe.wait(WaiterId(1)), Ok(WaitOutcome::Queued));
    for (state, expected) in [
        (InstanceState::Disconnected, Vec::new()),
        (InstanceState::Listening, vec![WaiterId(1)]),
    ] {
        let id = pipe.reserve();
        assert_ne!(id, first);
        let (_, released) = pipe.adopt(Instance {
            id,
            owner: THEM,
            state,
            out_quota: 0,
            in_quota: 0,
        });
        assert_eq!(released, expected);
    }
}

/// A client that another has sent to an instance gets it only while it listens as it did then.
///
/// semantics 56, 64, 172
#[test]
fn a_chosen_instance_must_still_listen() {
    let (mut pipe, id) = Pipe::first(US, &limited(2)).unwrap();
    let since = pipe.since(id).unwrap();
    let both_ways = Access {
        read: true,
        write: true,
        ..Access::default()
    };
    pipe.disconnect(id).unwrap();
    assert_eq!(pipe.since(id), Some(since), "it does not listen, but did");
    let refused = Err(Status::PipeNotAvailable);
    assert_eq!(pipe.open_chosen(id, since, Access::default()), refused);
    pipe.listen(id).unwrap();
    let again = pipe.since(id).unwrap();
    assert!(again > since);
    assert_eq!(pipe.open_chosen(id, since, Access::default()), refused);
    let opened = pipe.open_chosen(id, again, both_ways).unwrap();
    assert_eq!((opened.instance, opened.owner), (id, US));
    assert_eq!(pipe.instance(id).unwrap().state, InstanceState::Connected);
    assert_eq!(pipe.open_chosen(id, again, Access::default()), refused);
    // Nobody else finds it, and its client is told apart from others.
    assert_eq!(pipe.open(Access::default()), refused);
    assert!(pipe.client_gone(id, opened.connection));
    let _ = pipe.close(id);
    assert_eq!(
        (pipe.since(id), pipe.open_chosen(id, again, Access::default())),
        (None, refused)
    );
}
