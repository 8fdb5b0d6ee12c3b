//! The C library as C programs use it: compiled by the system's compilers, run in processes of their own.
//!
//! [`support`] builds the library once and compiles programs against its headers; every program runs in a namespace
//! directory of its own. The cases are lines that the programs print (`conformance/README.md`).

mod cases;
mod console;
mod headers;
mod impersonation;
mod inheritance;
mod left;
mod linking;
mod packaging;
mod prefix;
mod races;
mod seeds;
mod sources;
mod support;
mod tables;
mod wine;
