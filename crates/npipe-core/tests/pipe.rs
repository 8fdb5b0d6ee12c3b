//! The state of one name, through its public operations: first rule by rule, then
//! against a naive model under random operations.

use npipe_core::mode::{Access, Direction, PipeType, ReadMode, WaitMode};
use npipe_core::params::InstanceParams;
use npipe_core::pipe::{ConnectionId, InstanceId, InstanceState, OwnerId, Pipe, Remaining, WaitOutcome, WaiterId};
use npipe_core::security::{PeerIdentity, SecurityDescriptor, SecurityInformation};
use npipe_core::status::Status;
use proptest::prelude::*;

const US: OwnerId = OwnerId(1);
const THEM: OwnerId = OwnerId(2);

fn limited(max_instances: u32) -> InstanceParams {
    InstanceParams {
        max_instances,
        ..InstanceParams::default()
    }
}

fn pipe_of(count: u32) -> (Pipe, Vec<InstanceId>) {
    let params = limited(count);
    let (mut pipe, first) = Pipe::first(US, &params).unwrap();
    let mut ids = vec![first];
    for _ in 1..count {
        ids.push(pipe.create_instance(US, &params).unwrap().0);
    }
    (pipe, ids)
}

fn state(pipe: &Pipe, id: InstanceId) -> InstanceState {
    pipe.instance(id).unwrap().state
}

/// semantics 13-15, 38
#[test]
fn a_name_lives_as_long_as_its_instances() {
    let (mut pipe, ids) = pipe_of(2);
    assert_eq!(state(&pipe, ids[0]), InstanceState::Listening);
    let opened = pipe.open(Access::READ_WRITE).unwrap();
    assert!(pipe.client_gone(opened.instance, opened.connection));
    assert_eq!(pipe.close(ids[0]), Remaining::Instances(1));
    assert!(!pipe.is_over());
    assert_eq!(pipe.close(ids[1]), Remaining::Nothing(vec![]));
    assert!(pipe.is_over());
    // The next pipe of that name may be entirely different.
    let other = InstanceParams {
        direction: Direction::Inbound,
        pipe_type: PipeType::Message,
        ..limited(1)
    };
    let (next, _) = Pipe::first(THEM, &other).unwrap();
    assert_eq!(next.attributes().direction, Direction::Inbound);
    assert_eq!(next.attributes().pipe_type, PipeType::Message);
}

/// semantics 16
#[test]
fn instances_of_another_process_keep_the_name() {
    let (mut pipe, _) = pipe_of(2);
    pipe.open(Access::NONE).unwrap();
    let unlimited = InstanceParams::default();
    assert!(pipe.create_instance(THEM, &unlimited).is_err());
    let (mut pipe, first) = Pipe::first(US, &unlimited).unwrap();
    let (second, _) = pipe.create_instance(THEM, &unlimited).unwrap();
    assert_eq!(pipe.owner_gone(US), Remaining::Instances(1));
    assert!(pipe.instance(first).is_none());
    assert_eq!(pipe.open(Access::READ).unwrap().instance, second);
    assert_eq!(pipe.owner_gone(THEM), Remaining::Nothing(vec![]));
}

/// semantics 21-23
#[test]
fn parameters_are_checked_for_the_first_and_every_other() {
    let message_read = InstanceParams {
        read_mode: ReadMode::Message,
        ..limited(2)
    };
    let (mut pipe, _) = pipe_of(2);
    for params in [limited(0), limited(256), message_read] {
        let first = Pipe::first(US, &params).map(|_| ());
        assert_eq!(first, Err(Status::InvalidParameter));
        let second = pipe.create_instance(US, &params);
        assert_eq!(second, Err(Status::InvalidParameter));
    }
}

/// semantics 23
#[test]
fn the_unlimited_maximum_is_no_limit() {
    let unlimited = limited(255);
    let (mut pipe, _) = Pipe::first(US, &unlimited).unwrap();
    for _ in 1..300 {
        pipe.create_instance(US, &unlimited).unwrap();
    }
    assert_eq!(pipe.instances().len(), 300);
    assert_eq!(pipe.attributes().max_instances, 255);
}

/// semantics 24, 26, 27, 35
#[test]
fn the_first_instance_fixes_what_belongs_to_the_name() {
    let first = InstanceParams {
        out_quota: 1000,
        in_quota: 2000,
        default_timeout_ms: 7,
        ..limited(4)
    };
    let (mut pipe, _) = Pipe::first(US, &first).unwrap();
    let other = InstanceParams {
        pipe_type: PipeType::Message,
        wait_mode: WaitMode::NoWait,
        out_quota: 102,
        in_quota: 24,
        default_timeout_ms: 9,
        security: "D:(A;;GA;;;WD)".parse().unwrap(),
        ..limited(3)
    };
    let (second, _) = pipe.create_instance(US, &other).unwrap();
    assert_eq!(pipe.attributes().pipe_type, PipeType::Byte);
    assert_eq!(pipe.attributes().max_instances, 4);
    assert_eq!(pipe.attributes().default_timeout_ms, 7);
    assert_eq!(pipe.attributes().security, SecurityDescriptor::default());
    let second = pipe.instance(second).unwrap();
    assert_eq!((second.out_quota, second.in_quota), (102, 24));
}

/// semantics 98
#[test]
fn an_instance_of_a_byte_pipe_never_reads_by_messages() {
    let (mut pipe, _) = Pipe::first(US, &limited(2)).unwrap();
    let message = InstanceParams {
        pipe_type: PipeType::Message,
        read_mode: ReadMode::Message,
        ..limited(2)
    };
    let refused = pipe.create_instance(US, &message);
    assert_eq!(refused, Err(Status::InvalidParameter));
}

/// semantics 25
#[test]
fn another_direction_is_refused() {
    let of = |direction| InstanceParams {
        direction,
        ..limited(2)
    };
    for first in [Direction::Duplex, Direction::Inbound] {
        let (mut pipe, _) = Pipe::first(US, &of(first)).unwrap();
        let second = pipe.create_instance(US, &of(Direction::Outbound));
        assert_eq!(second, Err(Status::AccessDenied));
    }
}

/// semantics 28, 29, 33
#[test]
fn the_limit_comes_first_and_closing_frees_a_place() {
    let (mut pipe, ids) = pipe_of(4);
    for params in [
        limited(4),
        limited(9),
        InstanceParams {
            direction: Direction::Inbound,
            ..limited(4)
        },
        InstanceParams {
            first_instance: true,
            ..limited(4)
        },
    ] {
        let refused = pipe.create_instance(US, &params);
        assert_eq!(refused, Err(Status::InstanceNotAvailable));
    }
    assert_eq!(pipe.close(ids[1]), Remaining::Instances(3));
    assert!(pipe.create_instance(US, &limited(4)).is_ok());
}

/// semantics 30, 31
#[test]
fn the_first_instance_flag_refuses_a_name_that_exists() {
    let must_be_first = InstanceParams {
        first_instance: true,
        ..limited(2)
    };
    let (mut pipe, _) = Pipe::first(US, &must_be_first).unwrap();
    let refused = pipe.create_instance(US, &must_be_first);
    assert_eq!(refused, Err(Status::AccessDenied));
    assert!(pipe.create_instance(US, &limited(2)).is_ok());
}

/// semantics 46, 81
#[test]
fn a_pipe_that_is_over_is_not_found() {
    let (mut pipe, ids) = pipe_of(1);
    let _ = pipe.close(ids[0]);
    let not_found = Status::ObjectNameNotFound;
    assert_eq!(pipe.open(Access::NONE), Err(not_found));
    assert_eq!(pipe.wait(WaiterId(1)), Err(not_found));
    assert_eq!(pipe.create_instance(US, &limited(1)), Err(not_found));
    assert_eq!(pipe.instances().len(), 0);
}

/// semantics 47, 48, 67, 180
#[test]
fn busy_until_the_server_listens_again() {
    let (mut pipe, ids) = pipe_of(1);
    let busy = Err(Status::PipeNotAvailable);
    let opened = pipe.open(Access::READ_WRITE).unwrap();
    assert_eq!(pipe.open(Access::READ_WRITE), busy);
    assert!(pipe.client_gone(opened.instance, opened.connection));
    assert_eq!(state(&pipe, ids[0]), InstanceState::Closing);
    assert_eq!(pipe.open(Access::READ_WRITE), busy);
    pipe.disconnect(ids[0]).unwrap();
    assert_eq!(state(&pipe, ids[0]), InstanceState::Disconnected);
    assert_eq!(pipe.open(Access::READ_WRITE), busy);
    pipe.listen(ids[0]).unwrap();
    assert!(pipe.open(Access::READ_WRITE).is_ok());
}

/// semantics 49-52
#[test]
fn a_refused_open_takes_no_instance() {
    let inbound = InstanceParams {
        direction: Direction::Inbound,
        ..limited(1)
    };
    let (mut pipe, _) = Pipe::first(US, &inbound).unwrap();
    assert_eq!(pipe.open(Access::READ), Err(Status::AccessDenied));
    assert!(pipe.open(Access::WRITE).is_ok());
    // The direction is looked at before a listening instance is looked for.
    assert_eq!(pipe.open(Access::READ), Err(Status::AccessDenied));
}

/// semantics 51, 53
#[test]
fn an_open_without_data_rights_takes_an_instance() {
    let (mut pipe, _) = pipe_of(1);
    let opened = pipe.open(Access::NONE).unwrap();
    assert!(opened.access.read_attributes);
    assert_eq!(pipe.open(Access::NONE), Err(Status::PipeNotAvailable));
}

/// semantics 56
#[test]
fn the_oldest_listener_is_taken_first() {
    let (mut pipe, ids) = pipe_of(4);
    let take = |pipe: &mut Pipe| pipe.open(Access::READ).unwrap().instance;
    let taken = [take(&mut pipe), take(&mut pipe), take(&mut pipe)];
    assert_eq!(taken, ids[..3]);
    pipe.disconnect(ids[0]).unwrap();
    pipe.disconnect(ids[2]).unwrap();
    // 3 has listened since its creation; then 2, and only then 0. Listening again
    // while listening keeps the place.
    pipe.listen(ids[2]).unwrap();
    pipe.listen(ids[0]).unwrap();
    pipe.listen(ids[3]).unwrap();
    let taken = [take(&mut pipe), take(&mut pipe), take(&mut pipe)];
    assert_eq!(taken, [ids[3], ids[2], ids[0]]);
}

/// semantics 62-64, 76
#[test]
fn listening_again_needs_a_disconnect() {
    let (mut pipe, ids) = pipe_of(1);
    let opened = pipe.open(Access::READ).unwrap();
    for _ in 0..2 {
        assert_eq!(pipe.listen(ids[0]), Err(Status::PipeConnected));
    }
    pipe.client_gone(opened.instance, opened.connection);
    assert_eq!(pipe.listen(ids[0]), Err(Status::PipeClosing));
    assert_eq!(pipe.listen(InstanceId(99)), Err(Status::InvalidHandle));
}

/// semantics 172, 176, 178
#[test]
fn disconnecting_from_every_state() {
    let (mut pipe, ids) = pipe_of(1);
    pipe.disconnect(ids[0]).unwrap();
    assert_eq!(pipe.open(Access::READ), Err(Status::PipeNotAvailable));
    assert_eq!(pipe.disconnect(ids[0]), Err(Status::PipeDisconnected));
    pipe.listen(ids[0]).unwrap();
    pipe.open(Access::READ).unwrap();
    pipe.disconnect(ids[0]).unwrap();
    assert_eq!(state(&pipe, ids[0]), InstanceState::Disconnected);
    assert_eq!(pipe.disconnect(InstanceId(99)), Err(Status::InvalidHandle));
}

/// semantics 181, 182
#[test]
fn a_stale_client_does_not_disturb_the_next_one() {
    let (mut pipe, ids) = pipe_of(1);
    let stale = pipe.open(Access::READ).unwrap();
    pipe.disconnect(ids[0]).unwrap();
    assert!(!pipe.client_gone(ids[0], stale.connection));
    pipe.listen(ids[0]).unwrap();
    let next = pipe.open(Access::READ).unwrap();
    assert_eq!(next.instance, stale.instance);
    assert!(!pipe.client_gone(ids[0], stale.connection));
    assert_eq!(state(&pipe, ids[0]), InstanceState::Connected);
    assert!(pipe.client_gone(ids[0], next.connection));
    assert!(!pipe.client_gone(ids[0], next.connection));
}

/// semantics 82, 83
#[test]
fn a_wait_on_a_listening_pipe_reserves_nothing() {
    let (mut pipe, _) = pipe_of(1);
    for waiter in 0..2 {
        assert_eq!(pipe.wait(WaiterId(waiter)), Ok(WaitOutcome::Ready));
    }
    pipe.open(Access::READ).unwrap();
    assert_eq!(pipe.wait(WaiterId(2)), Ok(WaitOutcome::Queued));
}

/// semantics 84, 86-88
#[test]
fn listening_lets_all_waiters_go() {
    let (mut pipe, _) = Pipe::first(US, &limited(2)).unwrap();
    let opened = pipe.open(Access::READ).unwrap();
    for waiter in [5, 3, 4] {
        pipe.wait(WaiterId(waiter)).unwrap();
    }
    pipe.withdraw(WaiterId(3));
    pipe.client_gone(opened.instance, opened.connection);
    pipe.disconnect(opened.instance).unwrap();
    let released = pipe.listen(opened.instance).unwrap();
    assert_eq!(released, [WaiterId(5), WaiterId(4)]);

    pipe.open(Access::READ).unwrap();
    pipe.wait(WaiterId(6)).unwrap();
    let (_, released) = pipe.create_instance(US, &limited(2)).unwrap();
    assert_eq!(released, [WaiterId(6)]);
}

/// semantics 89
#[test]
fn the_end_of_the_name_lets_all_waiters_go() {
    let (mut pipe, ids) = pipe_of(2);
    pipe.open(Access::READ).unwrap();
    pipe.open(Access::READ).unwrap();
    pipe.wait(WaiterId(1)).unwrap();
    assert_eq!(pipe.close(ids[0]), Remaining::Instances(1));
    let released = Remaining::Nothing(vec![WaiterId(1)]);
    assert_eq!(pipe.close(ids[1]), released);
}

/// semantics 37, 85
#[test]
fn the_limit_of_a_wait() {
    let with = |default_timeout_ms| {
        let params = InstanceParams {
            default_timeout_ms,
            ..limited(1)
        };
        Pipe::first(US, &params).unwrap().0
    };
    assert_eq!(with(0).wait_limit_ms(0), Some(50));
    assert_eq!(with(70).wait_limit_ms(0), Some(70));
    assert_eq!(with(70).wait_limit_ms(1), Some(1));
    assert_eq!(with(70).wait_limit_ms(u32::MAX), None);
}

/// One operation on a pipe; indices select among what exists.
#[derive(Clone, Debug)]
enum Op {
    Create,
    Open,
    Listen(usize),
    Disconnect(usize),
    ClientGone(usize),
    Close(usize),
    Wait,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => Just(Op::Create),
        3 => Just(Op::Open),
        3 => any::<usize>().prop_map(Op::Listen),
        2 => any::<usize>().prop_map(Op::Disconnect),
        2 => any::<usize>().prop_map(Op::ClientGone),
        1 => any::<usize>().prop_map(Op::Close),
        1 => Just(Op::Wait),
    ]
}

/// The same, as naively as the rules put it: lists, searched from the front.
#[derive(Default)]
struct Model {
    states: Vec<(InstanceId, InstanceState)>,
    listening: Vec<InstanceId>,
    connections: Vec<(InstanceId, ConnectionId)>,
    waiters: Vec<WaiterId>,
}

impl Model {
    fn set(&mut self, id: InstanceId, state: InstanceState) {
        self.listening.retain(|&listener| listener != id);
        self.connections
            .retain(|&(instance, _)| instance != id || state == InstanceState::Connected);
        if state == InstanceState::Listening {
            self.listening.push(id);
        }
        match self.states.iter_mut().find(|entry| entry.0 == id) {
            Some(entry) => entry.1 = state,
            None => self.states.push((id, state)),
        }
    }

    fn pick(&self, index: usize) -> (InstanceId, InstanceState) {
        self.states[index % self.states.len()]
    }

    fn create(&mut self, pipe: &mut Pipe) {
        match pipe.create_instance(US, &limited(3)) {
            Ok((id, released)) => {
                assert!(self.states.len() < 3);
                assert_eq!(released, std::mem::take(&mut self.waiters));
                self.set(id, InstanceState::Listening);
            }
            Err(status) => {
                assert_eq!(status, Status::InstanceNotAvailable);
                assert_eq!(self.states.len(), 3);
            }
        }
    }

    fn open(&mut self, pipe: &mut Pipe) {
        match pipe.open(Access::READ_WRITE) {
            Ok(opened) => {
                assert_eq!(Some(&opened.instance), self.listening.first());
                self.set(opened.instance, InstanceState::Connected);
                self.connections.push((opened.instance, opened.connection));
            }
            Err(status) => {
                assert_eq!(status, Status::PipeNotAvailable);
                assert!(self.listening.is_empty());
            }
        }
    }

    /// Does `op` to both and compares the outcomes; says whether the pipe goes on.
    fn step(&mut self, pipe: &mut Pipe, op: &Op, number: u64) -> bool {
        match *op {
            Op::Create => self.create(pipe),
            Op::Open => self.open(pipe),
            Op::Listen(index) => {
                let (id, state) = self.pick(index);
                let expected = match state {
                    InstanceState::Listening => Ok(vec![]),
                    InstanceState::Connected => Err(Status::PipeConnected),
                    InstanceState::Closing => Err(Status::PipeClosing),
                    InstanceState::Disconnected => {
                        self.set(id, InstanceState::Listening);
                        Ok(std::mem::take(&mut self.waiters))
                    }
                };
                assert_eq!(pipe.listen(id), expected);
            }
            Op::Disconnect(index) => {
                let (id, state) = self.pick(index);
                let again = state == InstanceState::Disconnected;
                assert_eq!(pipe.disconnect(id).is_err(), again);
                self.set(id, InstanceState::Disconnected);
            }
            Op::ClientGone(index) => {
                if !self.connections.is_empty() {
                    let (id, connection) = self.connections[index % self.connections.len()];
                    assert!(pipe.client_gone(id, connection));
                    self.set(id, InstanceState::Closing);
                    assert!(!pipe.client_gone(id, connection));
                }
            }
            Op::Close(index) => {
                let (id, _) = self.pick(index);
                self.set(id, InstanceState::Closing);
                self.states.retain(|entry| entry.0 != id);
                let expected = match self.states.len() {
                    0 => Remaining::Nothing(std::mem::take(&mut self.waiters)),
                    count => Remaining::Instances(count),
                };
                assert_eq!(pipe.close(id), expected);
            }
            Op::Wait => match pipe.wait(WaiterId(number)).unwrap() {
                WaitOutcome::Ready => assert!(!self.listening.is_empty()),
                WaitOutcome::Queued => {
                    assert!(self.listening.is_empty());
                    self.waiters.push(WaiterId(number));
                }
            },
        }
        let shown: Vec<_> = pipe.instances().map(|i| (i.id, i.state)).collect();
        assert_eq!(shown, self.states);
        !pipe.is_over()
    }
}

proptest! {
    /// semantics 13, 28, 29, 46-48, 56, 62, 63, 67, 81-84, 86-89, 172, 176, 178
    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(
        ops in prop::collection::vec(any_op(), 0..60),
    ) {
        let (mut pipe, first) = Pipe::first(US, &limited(3)).unwrap();
        let mut model = Model::default();
        model.set(first, InstanceState::Listening);
        for (number, op) in ops.iter().enumerate() {
            if !model.step(&mut pipe, op, number as u64) {
                break;
            }
        }
    }
}

/// A pipe with this descriptor.
fn secured(direction: Direction, sddl: &str) -> Pipe {
    let params = InstanceParams {
        direction,
        security: sddl.parse().unwrap(),
        ..limited(4)
    };
    Pipe::first(US, &params).unwrap().0
}

fn user(uid: u32) -> PeerIdentity {
    PeerIdentity {
        uid,
        gid: uid,
        ..PeerIdentity::default()
    }
}

/// semantics 49, 53, 264
#[test]
fn who_opens_gets_what_the_list_grants_within_the_direction() {
    let pipe = secured(
        Direction::Inbound,
        "O:S-1-22-1-1000D:(A;;GA;;;S-1-22-1-1000)(A;;0x100082;;;WD)(A;;0x2;;;BG)",
    );
    let admit = |uid, mask| {
        pipe.attributes()
            .admit(&user(uid), Access::from_win32(mask))
            .map(Access::to_win32)
    };
    assert_eq!(admit(1000, 0x4000_0000), Ok(0x0012_0196));
    assert_eq!(
        admit(1000, 0x8000_0000),
        Err(Status::AccessDenied),
        "against the direction"
    );
    assert_eq!(admit(1001, 0x2), Ok(0x0010_0082), "what opening adds");
    assert_eq!(admit(1001, 0x4000_0000), Err(Status::AccessDenied), "more than that");
    assert_eq!(admit(1001, 0x0200_0000), Ok(0x0010_0082), "whatever there is");
    assert_eq!(admit(1000, 0x0200_0000), Ok(0x001f_01fe), "all but reading");
    let writers = secured(Direction::Inbound, "D:(A;;0x2;;;WD)");
    let refused = writers.attributes().admit(&user(1001), Access::from_win32(0x2));
    assert_eq!(
        refused,
        Err(Status::AccessDenied),
        "without the rights that opening adds"
    );
}

/// semantics 265
#[test]
fn another_instance_needs_its_right() {
    let may = |sddl, uid, further| {
        let pipe = secured(Direction::Duplex, sddl);
        pipe.attributes().admit_instance(&user(uid), further).is_ok()
    };
    let without = "O:S-1-22-1-1000D:(A;;GR;;;WD)(A;;DC;;;WD)";
    assert!(!may(without, 1000, 0) && !may(without, 0, 0));
    let with = "O:S-1-22-1-1000D:(A;;LC;;;WD)";
    assert!(may(with, 1000, 0) && may(with, 1001, 0));
    assert!(may(with, 1000, 0x4_0000), "the owner may change the list");
    assert!(!may(with, 1001, 0x4_0000));
    assert!(may("D:(A;;GW;;;WD)", 1001, 0), "it is part of writing");
}

/// semantics 265
#[test]
fn the_descriptor_is_changed_by_those_who_may() {
    let mut pipe = secured(
        Direction::Duplex,
        "O:S-1-22-1-1000D:(A;;FR;;;WD)(A;;WO;;;S-1-22-1-1001)",
    );
    let new: SecurityDescriptor = "O:S-1-22-1-1001D:".parse().unwrap();
    let (owner, dacl) = (SecurityInformation::from_win32(1), SecurityInformation::from_win32(4));
    let mut set = |parts, uid| pipe.attributes_mut().set_security(parts, &new, &user(uid));
    assert_eq!(set(dacl, 1001), Err(Status::AccessDenied));
    assert_eq!(set(owner, 1000), Err(Status::AccessDenied));
    assert_eq!(set(owner, 1001), Ok(()));
    assert_eq!(set(dacl, 1000), Err(Status::AccessDenied), "no longer the owner");
    assert_eq!(set(dacl, 1001), Ok(()));
    assert_eq!(pipe.attributes().security, new);
}
