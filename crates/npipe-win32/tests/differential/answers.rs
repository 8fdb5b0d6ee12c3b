//! What `conformance/differential/actors.c` prints of a call.

use npipe_core::Status;

use crate::deviations::Deviation;
use crate::rules::Got;
use crate::steps::Form;

/// What InternalHigh is before a call.
const UNTOUCHED: u32 = 0x7777;

const STATUS_PENDING: u32 = 0x103;

/// How a call ended, in NT's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With nothing to tell: connected, flushed, waited.
    Done,
    Wrote(u32),
    Got(Got),
    Failed(Status),
    /// Something that has no status of its own in the core: a Win32 code.
    Refused(u32),
}

/// What a kind of call tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Reads,
    Writes,
    Neither,
}

pub(crate) fn data(bytes: &[u8]) -> String {
    if bytes.len() > 16 {
        let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, &byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        return format!(" hash={hash:08x}");
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(" d={digits}")
}

impl Answer {
    fn code(&self) -> Option<u32> {
        match self {
            Answer::Got(got) if got.more => Some(Status::BufferOverflow.win32()),
            Answer::Done | Answer::Wrote(_) | Answer::Got(_) => None,
            Answer::Failed(status) => Some(status.win32()),
            Answer::Refused(code) => Some(*code),
        }
    }

    pub(crate) fn status(&self) -> u32 {
        match self {
            Answer::Got(got) if got.more => Status::BufferOverflow.ntstatus(),
            Answer::Failed(status) => status.ntstatus(),
            _ => 0,
        }
    }

    fn count(&self) -> u32 {
        match self {
            Answer::Wrote(count) => *count,
            Answer::Got(got) => got.data.len() as u32,
            _ => 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Answer::Got(got) => &got.data,
            _ => &[],
        }
    }

    /// Whether the operation was carried out: overlapped ones leave their result in the structure then.
    pub(crate) fn is_completed(&self) -> bool {
        !matches!(self, Answer::Failed(_) | Answer::Refused(_))
    }

    /// `ok` or the error.
    pub(crate) fn outcome(&self) -> String {
        self.code()
            .map_or_else(|| "ok".to_owned(), |code| format!("error {code}"))
    }

    /// Of a call without an OVERLAPPED.
    pub(crate) fn plain(&self, kind: Kind) -> String {
        let mut text = self.outcome();
        if kind != Kind::Neither {
            text += &format!(" n={}", self.count());
        }
        if kind == Kind::Reads {
            text += &data(self.bytes());
        }
        text
    }

    /// Of an overlapped call that did not have to wait (semantics 69, 70, 131, 212, 213, 215).
    pub(crate) fn at_once(&self, kind: Kind, form: Form) -> String {
        if form == Form::Routine {
            // semantics 235, 240: whatever is there already, the routine tells it.
            return if self.is_completed() {
                format!("ok st={:x}", self.status())
            } else {
                self.outcome()
            };
        }
        let mut text = self.outcome();
        if kind != Kind::Neither {
            let told = if self.code().is_none() { self.count() } else { 0 };
            text += &format!(" n={told}");
        }
        match self {
            // The handle is as the calls before have left it.
            Answer::Failed(_) | Answer::Refused(_) if form == Form::ByHandle => text + &untouched(""),
            // Whoever may not do a thing has not begun it: the event is as it was.
            Answer::Failed(Status::AccessDenied) => text + &untouched(" ev=1"),
            Answer::Failed(_) | Answer::Refused(_) => text + &untouched(" ev=0"),
            _ => text + &self.structure(kind, 1),
        }
    }

    /// Of a packet at a port, or of what a routine is told (semantics 239, 246-249).
    pub(crate) fn told(&self) -> String {
        format!("{} n={}", self.outcome(), self.count())
    }

    /// Of an overlapped call that had to wait (semantics 71, 214, 215, 230).
    pub(crate) fn overlapped(&self, kind: Kind, form: Form) -> String {
        // An event that resets itself has released the wait for it.
        let event = u8::from(form != Form::AutoReset);
        format!("{} n={}{}", self.outcome(), self.count(), self.structure(kind, event))
    }

    /// The structure and the event of a completed operation.
    fn structure(&self, kind: Kind, event: u8) -> String {
        let mut text = format!(" st={:x} hi={} ev={event}", self.status(), self.count());
        if kind == Kind::Reads && self.is_completed() {
            text += &data(self.bytes());
        }
        text
    }

    /// Of a thread's call with an OVERLAPPED on a handle that is not overlapped (semantics 74, 223).
    pub(crate) fn filled_in(&self, kind: Kind) -> String {
        let (status, count) = if self.is_completed() {
            (self.status(), self.count())
        } else {
            (STATUS_PENDING, UNTOUCHED)
        };
        format!("{} st={status:x} hi={count}", self.plain(kind))
    }
}

/// The structure of an operation that waits, or that failed at once.
fn untouched(event: &str) -> String {
    format!(" st={STATUS_PENDING:x} hi={UNTOUCHED}{event}")
}

/// Of an overlapped call that has to wait.
pub(crate) fn pending(kind: Kind, form: Form) -> String {
    if form == Form::Routine {
        return format!("ok st={STATUS_PENDING:x}");
    }
    let count = if kind == Kind::Neither { "" } else { " n=0" };
    format!("pending{count}{}", untouched(" ev=0"))
}

/// What a line prints, and what it prints under Wine if that is known to be something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) under_wine: Option<(String, &'static Deviation)>,
}

impl Line {
    pub(crate) fn of(text: impl Into<String>) -> Line {
        Line {
            text: text.into(),
            under_wine: None,
        }
    }

    /// Under Wine it prints something else.
    pub(crate) fn but(mut self, text: impl Into<String>, deviation: &'static Deviation) -> Line {
        let text = text.into();
        if text != self.text {
            self.under_wine = Some((text, deviation));
        }
        self
    }

    /// Several answers in one line; under Wine for the first reason that there is.
    pub(crate) fn all(head: &str, lines: impl IntoIterator<Item = Line>) -> Line {
        let (mut text, mut under_wine, mut reason) = (head.to_owned(), head.to_owned(), None);
        for line in lines {
            text += &line.text;
            let (wine, why) = line
                .under_wine
                .map_or((line.text, None), |(wine, why)| (wine, Some(why)));
            under_wine += &wine;
            reason = reason.or(why);
        }
        match reason {
            Some(reason) => Line::of(text).but(under_wine, reason),
            None => Line::of(text),
        }
    }

    /// With something around it.
    pub(crate) fn around(self, before: &str, after: &str) -> Line {
        let wrap = |text: String| format!("{before}{text}{after}");
        Line {
            text: wrap(self.text),
            under_wine: self.under_wine.map(|(text, why)| (wrap(text), why)),
        }
    }
}
