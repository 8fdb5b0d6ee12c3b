//! The process that is killed: it acts its part of the [`Plan`] until then, and says what it has done.
//!
//! It says `ready` when there is something to connect to or to be connected, then the number of each call that has
//! returned.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use npipe::{PipeClient, PipeServer, PipeStream, Result};
use rustix::process::{Signal, getpid, kill_process};

use super::number;
use super::plan::{Comparison, Plan, ROUND_VARIABLE, SEED_VARIABLE, Scenario, Side, victim_side};
use crate::support::say;

/// Lives until it is killed, or until the survivor is gone.
pub(crate) fn suffer(root: &Path) {
    let (seed, round) = (
        number(SEED_VARIABLE).expect("a seed"),
        number(ROUND_VARIABLE).expect("a round"),
    );
    let plan = Plan::new(seed, round, victim_side());
    let records = Records::new(&plan);
    let outcome = match plan.victim {
        Side::Server => serve(&plan, root, &records),
        Side::Client => visit(&plan, root, &records),
    };
    // The survivor outlives us, unless it has failed.
    outcome.expect("the survivor is there");
}

/// What was done so far.
struct Records {
    count: Arc<AtomicU64>,
}

impl Records {
    fn new(plan: &Plan) -> Records {
        let count = Arc::new(AtomicU64::new(u64::MAX));
        if plan.by_itself {
            let (plan, count) = (plan.clone(), count.clone());
            std::thread::spawn(move || {
                while count.load(Ordering::Acquire).wrapping_add(1) <= plan.after {
                    std::thread::yield_now();
                }
                plan.spin();
                kill_process(getpid(), Signal::KILL).expect("it is ours");
            });
        }
        Records { count }
    }

    /// From now on it may be killed.
    fn ready(&self) {
        say("ready");
    }

    /// From now on the records count.
    fn begin(&self) {
        self.count.store(0, Ordering::Release);
    }

    fn add(&self, number: u64) {
        say(&number.to_string());
        self.count.fetch_add(1, Ordering::Release);
    }
}

fn serve(plan: &Plan, root: &Path, records: &Records) -> Result<()> {
    let server = plan.server(root).create(crate::support::NAME)?;
    records.ready();
    if plan.scenario == Scenario::Door {
        return keep_the_door(&server, records);
    }
    server.connect()?;
    records.begin();
    match plan.scenario {
        Scenario::Talk => answer(plan, &server, records),
        _ => act(plan, &server, records),
    }
}

fn visit(plan: &Plan, root: &Path, records: &Records) -> Result<()> {
    let open = || plan.client(root).open(crate::support::NAME);
    if plan.scenario == Scenario::Door {
        records.ready();
        return knock(open, records);
    }
    let client = open()?;
    records.ready();
    records.begin();
    match plan.scenario {
        Scenario::Talk => ask(plan, &client, records),
        _ => act(plan, &client, records),
    }
}

fn act(plan: &Plan, end: &PipeStream, records: &Records) -> Result<()> {
    match plan.scenario {
        Scenario::Stream | Scenario::Late | Scenario::Cut => write(plan, end, records),
        Scenario::Drain => read(plan, end, records),
        _ => loop {
            std::thread::park();
        },
    }
}

fn write(plan: &Plan, end: &PipeStream, records: &Records) -> Result<()> {
    for number in 0.. {
        let payload = plan.payload(number);
        assert_eq!(end.write(payload)?, payload.len());
        records.add(number);
    }
    Ok(())
}

fn read(plan: &Plan, end: &PipeStream, records: &Records) -> Result<()> {
    let mut comparison = Comparison::new(plan);
    let mut buffer = vec![0; plan.read_bytes];
    for number in 0.. {
        let outcome = end.read_message(&mut buffer)?;
        comparison.take(&buffer[..outcome.bytes], outcome.more);
        assert_eq!(comparison.torn, 0, "read {number} is torn");
        records.add(number);
    }
    Ok(())
}

fn ask(plan: &Plan, client: &PipeClient, records: &Records) -> Result<()> {
    let mut buffer = vec![0; plan.max_bytes as usize];
    for number in 0.. {
        let outcome = client.transact(plan.payload(number), &mut buffer)?;
        assert!(
            buffer[..outcome.bytes] == *plan.payload(number),
            "reply {number} is torn"
        );
        records.add(number);
    }
    Ok(())
}

fn answer(plan: &Plan, server: &PipeServer, records: &Records) -> Result<()> {
    let mut buffer = vec![0; plan.max_bytes as usize];
    for number in 0.. {
        let bytes = server.read(&mut buffer)?;
        assert!(buffer[..bytes] == *plan.payload(number), "request {number} is torn");
        server.write(&buffer[..bytes])?;
        records.add(number);
    }
    Ok(())
}

fn keep_the_door(server: &PipeServer, records: &Records) -> Result<()> {
    records.begin();
    for number in 0.. {
        // A client that left again is as good as one that stays.
        let _ = server.connect();
        server.disconnect()?;
        records.add(number);
    }
    Ok(())
}

fn knock(open: impl Fn() -> Result<PipeClient>, records: &Records) -> Result<()> {
    records.begin();
    for number in 0.. {
        drop(open());
        records.add(number);
    }
    Ok(())
}
