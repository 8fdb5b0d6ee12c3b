//! Ends on their way to another process.

use std::os::windows::io::OwnedHandle;

/// An end on its way to another process, as the system knows it: a handle here, a descriptor elsewhere. Win32 equivalent:
/// what DuplicateHandle makes in another process, and handles that a child inherits.
///
/// All holders share the end, its modes and its data; it closes with the last of them. The handle was opened for overlapped
/// calls, which a program that takes it as its standard input may not expect.
#[doc(alias = "DuplicateHandle")]
pub type RawEnd = OwnedHandle;
