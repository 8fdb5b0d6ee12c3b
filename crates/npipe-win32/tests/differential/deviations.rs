//! Where Wine 8.0 is known to do something else than the rules say.
//!
//! Of two kinds: the answer of one operation differs and everything after it is the same, then the model has both answers
//! and the rule between them; or what is there afterwards differs, then no script does it, and the conformance suite has a
//! case. Neither holds for more than one operation in one state.

/// One of the reasons, told by rule and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deviation {
    pub(crate) rule: u16,
    pub(crate) reason: &'static str,
}

macro_rules! deviations {
    ($($name:ident = $rule:literal $reason:literal;)+) => {
        $(pub(crate) const $name: Deviation = Deviation { rule: $rule, reason: $reason };)+

        pub(crate) const ALL: &[Deviation] = &[$($name),+];
    };
}

deviations! {
    UNKNOWN_BITS = 20 "Wine ignores unknown bits of modes";
    ANY_MAXIMUM = 22 "Wine accepts any maximum of instances";
    FIRST_INSTANCE = 30 "Wine ignores FILE_FLAG_FIRST_PIPE_INSTANCE";
    BUSY_FIRST = 49 "no rule orders the two checks: Wine looks for an instance first, npipe at the access";
    CONNECT_CLEARS = 70 "Wine clears InternalHigh when a connect begins";
    CLOSED_LISTENER = 79 "Wine has another status for a connect whose instance is closed";
    FLUSH_UNCHECKED = 170 "Wine does not check the access of a flush";
    DISCONNECT_BY_CLIENT = 179 "Wine has another error for a client that disconnects";
    TRANSACTION_NOT_BEGUN = 213 "Wine does not say in the structure that a transaction has begun";
    UNLIMITED = 196 "Wine has 0xffffffff for no limit";
    SET_UNCHECKED = 204 "Wine does not check the access of a client that sets its modes";
    BITS_FIRST = 204 "no rule orders the two checks: Wine looks at the bits first, npipe at the access";
    NOT_COUNTED = 215 "Wine tells no count with ERROR_MORE_DATA where there is an OVERLAPPED, npipe does if the handle is not overlapped";
    LONGER_FAILS = 242 "Wine says that ReadFileEx failed with ERROR_MORE_DATA, whose routine runs all the same";
    CANCEL_NOTHING = 228 "Wine finds something to cancel where there is nothing";
}
