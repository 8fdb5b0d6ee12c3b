//! Under what load round trips are made: what a program meets that does more than echo, and that is not alone.
//!
//! How long an end looks for its peer before it sleeps pays or costs by this: with several pairs on two processors a look is
//! time that another process could have used, a server that works leaves its client looking, and between rare requests nothing
//! is to be won at all.

use serde::{Deserialize, Serialize};

use crate::args;

/// A load; times are in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Load {
    /// Nothing but the round trips of one client and its server.
    #[default]
    Alone,
    /// So many pairs of processes at once, all of them free to run on the same two processors.
    Pairs(u32),
    /// The server works so long between a request and its reply, as the clock goes.
    Think { us: u32 },
    /// The client begins a round trip once in so long, and sleeps between them.
    Interval { us: u32 },
}

/// The loads of a run that asks for none.
pub(super) const USUAL: [Load; 6] = [
    Load::Pairs(2),
    Load::Pairs(8),
    Load::Think { us: 5 },
    Load::Think { us: 20 },
    Load::Think { us: 100 },
    Load::Interval { us: 200 },
];

impl Load {
    /// The load that was asked for; [`Load::Alone`] if none was.
    pub(super) fn asked_for(args: &args::Bench) -> Load {
        let us = |duration: std::time::Duration| duration.as_micros() as u32;
        match (args.pairs, args.think, args.interval) {
            (Some(pairs), _, _) => Load::Pairs(pairs),
            (_, Some(think), _) => Load::Think { us: us(think) },
            (_, _, Some(interval)) => Load::Interval { us: us(interval) },
            (None, None, None) => Load::Alone,
        }
    }

    /// How many pairs of processes there are.
    pub(super) const fn pairs(self) -> u32 {
        match self {
            Load::Pairs(pairs) => pairs,
            _ => 1,
        }
    }

    /// How long the server works before it replies.
    pub(super) const fn think_us(self) -> u32 {
        match self {
            Load::Think { us } => us,
            _ => 0,
        }
    }

    /// How often a request is made; 0: as soon as there is a reply.
    pub(super) const fn interval_us(self) -> u32 {
        match self {
            Load::Interval { us } => us,
            _ => 0,
        }
    }

    /// What a title has for it.
    pub(super) fn title(self) -> Option<String> {
        match self {
            Load::Alone => None,
            Load::Pairs(1) => Some("1 pair".to_owned()),
            Load::Pairs(pairs) => Some(format!("{pairs} pairs")),
            Load::Think { us } => Some(format!("after {us} µs of work")),
            Load::Interval { us } => Some(format!("one each {us} µs")),
        }
    }
}
