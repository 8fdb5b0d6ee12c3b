//! One round, from a free name to a free name.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use npipe::{Error, InstanceState, Namespace, PipeClient, PipeServer, PipeStream, Status};

use super::hunted::Hunted;
use super::plan::{Comparison, Plan, Scenario, Side};
use super::survivor::Figures;
use crate::support::{NAME, files, until};

/// A round, and where it takes place.
pub(super) struct Round<'a> {
    plan: &'a Plan,
    root: &'a Path,
}

impl<'a> Round<'a> {
    pub(super) fn new(plan: &'a Plan, root: &'a Path) -> Round<'a> {
        Round { plan, root }
    }

    pub(super) fn run(&self) -> Figures {
        let figures = match self.plan.victim {
            Side::Client => self.serve(),
            Side::Server => self.visit(),
        };
        assert!(
            files(self.root).is_empty(),
            "left in the namespace: {:?}",
            files(self.root)
        );
        figures
    }

    fn namespace(&self) -> Namespace {
        Namespace::at(self.root).expect("a namespace")
    }

    /// The survivor has the server end.
    fn serve(&self) -> Figures {
        let server = self.plan.server(self.root).create(NAME).expect("the name is free");
        let victim = Hunted::start(self.plan, self.root);
        let pid = victim.pid();
        if self.plan.scenario == Scenario::Door {
            let mut figures = self.keep_the_door(&server, victim);
            figures.clients = 1;
            return figures;
        }
        match server.connect() {
            // It has killed itself already.
            Err(error) if error.status() == Status::PipeClosing => {}
            other => other.expect("a client comes"),
        }
        let mut figures = self.act(&server, victim);
        assert_eq!(server.peer().expect("it is remembered").pid, Some(pid));
        self.after_the_client(server);
        figures.clients = 1;
        figures
    }

    /// The survivor has the client end.
    fn visit(&self) -> Figures {
        let victim = Hunted::start(self.plan, self.root);
        let pid = victim.pid();
        victim.until_ready();
        let mut figures = if self.plan.scenario == Scenario::Door {
            self.knock(victim)
        } else {
            let client = self.plan.client(self.root).open(NAME).expect("the victim serves");
            let figures = self.act(&client, victim);
            assert_eq!(client.peer().expect("it is remembered").pid, Some(pid));
            self.after_the_server(&client);
            figures
        };
        figures.servers = 1;
        figures
    }

    /// Acts the survivor's part until the victim is dead and everything is as it has to be on this end.
    fn act(&self, end: &PipeStream, victim: Hunted) -> Figures {
        let mut figures = Figures::default();
        let (noticed, comparison) = match self.plan.scenario {
            Scenario::Stream => {
                victim.arm();
                let comparison = self.read_on(end, Comparison::new(self.plan));
                (Instant::now(), Some(comparison))
            }
            Scenario::Cut => {
                victim.arm();
                until(|| (!end.is_connected()).then_some(()));
                let noticed = Instant::now();
                let comparison = self.read_on(end, Comparison::new(self.plan));
                let complete = self.plan.completed_by(self.plan.quota_bytes.into()).0;
                assert!(
                    comparison.part == 0 && comparison.whole <= complete,
                    "a part of a write, or one that waited"
                );
                (noticed, Some(comparison))
            }
            Scenario::Late => {
                let (noticed, comparison) = self.read_late(end, &victim, &mut figures);
                (noticed, Some(comparison))
            }
            _ => {
                victim.arm();
                self.fill(end);
                (Instant::now(), None)
            }
        };
        self.after_the_death(end);
        let at_once = self.plan.round.is_multiple_of(2) && self.plan.victim == Side::Server;
        // Before the victim is waited for: one that has died in part is no obstacle.
        let again = at_once.then(|| {
            self.plan
                .server(self.root)
                .create(NAME)
                .expect("the name is free at once")
        });
        let (records, notice) = victim.end(noticed);
        drop(again);
        figures.count(notice);
        if let Some(comparison) = comparison {
            figures.logged = records;
            (figures.read, figures.read_bytes) = (comparison.whole, comparison.bytes);
            figures.lost = records.saturating_sub(comparison.whole);
            figures.torn = comparison.torn;
            let begun = comparison.whole + u64::from(comparison.part > 0);
            assert!(begun <= records + 1, "{begun} writes were read, {records} had returned");
        }
        figures
    }

    /// Reads to the end.
    fn read_on(&self, end: &PipeStream, mut comparison: Comparison<'a>) -> Comparison<'a> {
        let mut buffer = vec![0; self.plan.read_bytes];
        loop {
            match end.read_message(&mut buffer) {
                Ok(outcome) => comparison.take(&buffer[..outcome.bytes], outcome.more),
                Err(error) => {
                    expect(&error, &[Status::PipeBroken]);
                    return comparison;
                }
            }
        }
    }

    /// Reads a little, lets the victim write until it waits, and reads the rest when it is dead: what its writes had
    /// completed by then and nothing else.
    fn read_late(&self, end: &PipeStream, victim: &Hunted, figures: &mut Figures) -> (Instant, Comparison<'a>) {
        let mut comparison = Comparison::new(self.plan);
        let mut buffer = vec![0; self.plan.read_bytes];
        for _ in 0..self.plan.reads_before {
            let outcome = end.read_message(&mut buffer).expect("the victim writes");
            comparison.take(&buffer[..outcome.bytes], outcome.more);
        }
        let allowed_bytes = comparison.bytes + u64::from(self.plan.quota_bytes);
        let (complete, complete_bytes) = self.plan.completed_by(allowed_bytes);
        until(|| (victim.records() == complete).then_some(()));
        let unread = complete_bytes.saturating_sub(comparison.bytes);
        until(|| (end.peek(&mut []).expect("it is connected").total as u64 > unread).then_some(()));
        victim.arm();
        until(|| (!end.is_connected()).then_some(()));
        let noticed = Instant::now();
        let expected_bytes = complete_bytes.max(comparison.bytes);
        let comparison = self.read_on(end, comparison);
        assert_eq!(
            (comparison.whole, comparison.bytes),
            (complete, expected_bytes),
            "not what was complete"
        );
        figures.taken_back = 1;
        (noticed, comparison)
    }

    /// Drives the scenarios in which the survivor does not read a stream, to the error that ends them.
    fn fill(&self, end: &PipeStream) {
        use Status::{InvalidPipeState, PipeBroken, PipeClosing};
        let mut buffer = vec![0; self.plan.max_bytes as usize];
        match (self.plan.scenario, self.plan.victim) {
            (Scenario::Drain, _) => {
                let failed = (0..).find_map(|number| end.write(self.plan.payload(number)).err());
                expect(&failed.expect("an error ends it"), &[PipeBroken, PipeClosing]);
            }
            (Scenario::Talk, Side::Client) => {
                let serve = || {
                    end.read(&mut buffer)
                        .and_then(|bytes| end.write(&buffer[..bytes]))
                        .err()
                };
                let failed = std::iter::repeat_with(serve).flatten().next();
                expect(&failed.expect("an error ends it"), &[PipeBroken, PipeClosing]);
            }
            (Scenario::Talk, Side::Server) => {
                let mut ask = |number| {
                    let outcome = end.transact(self.plan.payload(number), &mut buffer)?;
                    assert!(
                        buffer[..outcome.bytes] == *self.plan.payload(number),
                        "reply {number} is torn"
                    );
                    Ok::<(), Error>(())
                };
                let failed = (0..).find_map(|number| ask(number).err());
                expect(&failed.expect("an error ends it"), &[PipeBroken, InvalidPipeState]);
            }
            _ => {
                // With a quota of 0 there is nothing to wait for.
                let written = if self.plan.quota_bytes > 0 {
                    end.write(b"x").map(drop)
                } else {
                    Ok(())
                };
                let flushed = written.and_then(|()| end.flush());
                // Begun after the death it has nothing to wait for either.
                flushed.unwrap_or_else(|error| expect(&error, &[PipeBroken, PipeClosing]));
                until(|| (!end.is_connected()).then_some(()));
            }
        }
    }

    /// What every call says from now on. What the victim wrote and nobody read is still there.
    fn after_the_death(&self, end: &PipeStream) {
        assert!(!end.is_connected());
        for data in [&b"x"[..], b""] {
            expect(
                &end.write(data).expect_err("nobody will read it"),
                &[Status::PipeClosing],
            );
        }
        end.flush().expect("nothing to wait for");
        let mut buffer = [0; 4096];
        let error = std::iter::repeat_with(|| end.read(&mut buffer)).find_map(Result::err);
        expect(&error.expect("an error ends it"), &[Status::PipeBroken]);
        expect(
            &end.peek(&mut buffer).expect_err("it is drained"),
            &[Status::PipeBroken],
        );
        expect(&end.read(&mut []).expect_err("it is drained"), &[Status::PipeBroken]);
        if self.plan.scenario == Scenario::Talk {
            let error = end.transact(b"x", &mut buffer).expect_err("nobody will answer");
            expect(&error, &[Status::InvalidPipeState]);
        }
    }

    /// The instance is as a client that closed leaves it, and as good as new after a disconnect.
    fn after_the_client(&self, server: PipeServer) {
        let (namespace, open) = (self.namespace(), || self.plan.client(self.root).open(NAME));
        let state = || namespace.info(NAME).expect("it is served").instances[0].state;
        // The control thread hears of it by the same event, a moment later.
        until(|| (state() == InstanceState::Closing).then_some(()));
        expect(
            &server.connect().expect_err("the client came and went"),
            &[Status::PipeClosing],
        );
        expect(&open().expect_err("nobody listens"), &[Status::PipeNotAvailable]);
        server.disconnect().expect("a connection");
        expect(&open().expect_err("nobody listens"), &[Status::PipeNotAvailable]);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| server.connect().and_then(|()| server.read(&mut [0; 4])));
            let client = until(|| open().ok());
            client.write(b"x").expect("the server is there");
            assert_eq!(next.join().expect("no panic").expect("a client came and wrote"), 1);
        });
        drop(server);
        assert!(namespace.list().expect("a namespace").is_empty());
    }

    /// The name is gone, as if its server had closed.
    fn after_the_server(&self, client: &PipeClient) {
        let namespace = self.namespace();
        assert!(namespace.list().expect("a namespace").is_empty());
        assert!(
            files(self.root).is_empty(),
            "left in the namespace: {:?}",
            files(self.root)
        );
        assert_eq!(client.state().expect("it works on").instances, 0);
        let again = self.plan.client(self.root).open(NAME);
        expect(&again.expect_err("nobody serves"), &[Status::ObjectNameNotFound]);
        let waited = namespace.wait(NAME, Some(Duration::from_secs(10)));
        expect(&waited.expect_err("nobody serves"), &[Status::ObjectNameNotFound]);
    }

    /// Connects and disconnects until the client that opens and closes is dead.
    fn keep_the_door(&self, server: &PipeServer, victim: Hunted) -> Figures {
        let mut figures = Figures::default();
        let closed = AtomicBool::new(false);
        victim.arm();
        let watched = victim.watched();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                until(|| watched.is_over().then_some(()));
                until(|| {
                    // Nobody comes any more, so a connect that waits has to be ended.
                    let _ = server.cancel();
                    closed.load(Ordering::Acquire).then_some(())
                });
            });
            while !watched.is_over() {
                match server.connect() {
                    Ok(()) => {}
                    Err(error) => expect(&error, &[Status::PipeClosing, Status::Cancelled]),
                }
                server.disconnect().expect("connected, or listening");
            }
            closed.store(true, Ordering::Release);
        });
        let (_, notice) = victim.end(Instant::now());
        figures.count(notice);
        figures
    }

    /// Opens and closes until the server that connects and disconnects is dead, and its name with it.
    fn knock(&self, victim: Hunted) -> Figures {
        let mut figures = Figures::default();
        victim.arm();
        loop {
            match self.plan.client(self.root).open(NAME) {
                Ok(client) => drop(client),
                Err(error) if error.status() == Status::ObjectNameNotFound => break,
                Err(error) => expect(&error, &[Status::PipeNotAvailable]),
            }
        }
        let noticed = Instant::now();
        let again = self
            .plan
            .server(self.root)
            .create(NAME)
            .expect("the name is free at once");
        let (_, notice) = victim.end(noticed);
        drop(again);
        figures.count(notice);
        figures
    }
}

#[track_caller]
fn expect(error: &Error, allowed: &[Status]) {
    assert!(allowed.contains(&error.status()), "{error}: {error:?}");
}
