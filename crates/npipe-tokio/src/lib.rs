//! `tokio::net::windows::named_pipe` for Linux.
//!
//! A program that uses tokio's named pipes on Windows compiles on Linux with one line changed:
//!
//! ```
//! // use tokio::net::windows::named_pipe;
//! use npipe_tokio::named_pipe;
//! ```
//!
//! On Windows this crate hands on tokio's own types; here it is [npipe], with Windows' semantics over shared memory. What goes
//! beyond tokio is marked so in [`named_pipe`].

#[cfg(not(windows))]
pub mod named_pipe;

#[cfg(windows)]
#[path = "windows.rs"]
pub mod named_pipe;
