//! Ringing early: a peer that sleeps until it has its answer is woken while the answer is being made.
//!
//! Waking takes longer than a short answer does. So an end that was woken by a ring itself, and of late has answered each time
//! before its peer could have slept again, rings back before it reads what there is: the peer finds the answer when it gets up,
//! and is not rung for it any more. It is one byte either way.
//!
//! A ring is never more than a reason to look. Whom it wakes too early finds nothing, calls for its delegate again and looks
//! once more, as after every ring; so no wake-up is lost, and a guess that fails costs a ring. What is learnt here decides
//! nothing else.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use npipe_shm::doorbell::{self, Cause};

use super::Link;

/// So many rings in a row were answered at once, by one that the peer slept for, before the next is answered early: twice as many
/// after an early ring that came too early, or that no answer followed.
const TRUST: i32 = 16;

/// Nobody has rung since the last answer.
const NOTHING: u32 = 0;
/// The peer has rung.
const RUNG: u32 = 1;
/// It was rung back.
const EARLY: u32 = 2;

/// What an end knows of its answers. Threads that come between each other make it wrong, which costs a ring.
#[derive(Debug, Default)]
pub(super) struct Answers {
    state: AtomicU32,
    /// Answers that were prompt, up to [`TRUST`].
    prompt: AtomicI32,
}

impl Answers {
    /// The peer has rung and written. Whether the answer will be prompt, as it seems.
    fn begin(&self) -> bool {
        match self.state.swap(RUNG, Ordering::Relaxed) {
            NOTHING => {}
            RUNG => _ = self.prompt.fetch_min(0, Ordering::Relaxed),
            _ => self.prompt.store(-TRUST, Ordering::Relaxed),
        }
        self.prompt.load(Ordering::Relaxed) >= TRUST
    }

    fn rung_early(&self) {
        self.state.store(EARLY, Ordering::Relaxed);
    }

    /// Something was written, and the peer had to be rung for it, or had not.
    #[inline]
    fn written(&self, has_rung: bool) {
        if self.state.load(Ordering::Relaxed) != NOTHING {
            self.learn(has_rung);
        }
    }

    #[cold]
    fn learn(&self, has_rung: bool) {
        let was_early = self.state.swap(NOTHING, Ordering::Relaxed) == EARLY;
        match (was_early, has_rung) {
            // It has slept again meanwhile.
            (true, true) => self.prompt.store(-TRUST, Ordering::Relaxed),
            (false, true) => {
                let prompt = self.prompt.load(Ordering::Relaxed);
                self.prompt.store(TRUST.min(prompt + 1), Ordering::Relaxed);
            }
            // It was awake, and there is nothing to be won or lost.
            (_, false) => {}
        }
    }
}

impl Link {
    /// The peer has rung, and there is something to read: rings back if the answer comes at once, as far as one can tell. Not
    /// to a peer on the same processor, which would only be in the way.
    pub(crate) fn ring_early(&self) {
        if self.answers.begin() && !self.shares_processor() && doorbell::ring_early(self.peer_words()) {
            self.answers.rung_early();
            self.ring_delegate();
        }
    }

    /// [`Link::ring`] for something written, by which perhaps a ring is answered.
    #[inline]
    pub(crate) fn ring_written(&self) {
        let has_rung = self.ring(Cause::DATA).delegate;
        self.answers.written(has_rung);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answers: &Answers, times: i32) {
        for _ in 0..times {
            assert!(!answers.begin(), "too soon");
            answers.written(true);
        }
    }

    /// No rule: when to wake is ours.
    #[test]
    fn who_answers_at_once_rings_early() {
        let answers = Answers::default();
        answered(&answers, TRUST);
        for _ in 0..10 {
            assert!(answers.begin());
            answers.rung_early();
            answers.written(false);
            answers.written(true);
        }
    }

    /// No rule: when to wake is ours.
    #[test]
    fn who_was_too_early_is_late_for_long() {
        let answers = Answers::default();
        answered(&answers, TRUST);
        assert!(answers.begin());
        answers.rung_early();
        answers.written(true);
        answered(&answers, 2 * TRUST);
        assert!(answers.begin());
    }

    /// No rule: when to wake is ours.
    #[test]
    fn who_does_not_answer_rings_nobody() {
        let answers = Answers::default();
        for _ in 0..10 * TRUST {
            assert!(!answers.begin());
        }
        answered(&answers, TRUST);
        assert!(answers.begin());
        answers.rung_early();
        assert!(!answers.begin(), "nothing was written");
        answered(&answers, 2 * TRUST - 1);
    }
}
