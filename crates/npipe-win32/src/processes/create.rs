#![allow(
    unsafe_code,
    reason = "what happens between fork and exec, and leaving without any ceremony"
)]

//! CreateProcess.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use npipe::Access;
use npipe::impersonation::as_process;

use super::inherit::{self, Gift, Stream};
use super::table::VARIABLE;
use super::{Process, command_line, program};
use crate::failure::{Failure, Outcome, not_implemented};
use crate::files::system_path;
use crate::handles;
use crate::object::Object;
use crate::pointers::{Ansi, In, Out, Texts, WideText};
use crate::security::memory::keeps_out;
use crate::text::{Words, wtf8};
use crate::types::{Bool, FALSE, Handle, SECURITY_ATTRIBUTES, TRUE, code};

const DEBUG_PROCESS: u32 = 1;
const DEBUG_ONLY_THIS_PROCESS: u32 = 2;
const CREATE_SUSPENDED: u32 = 4;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
const CREATE_UNICODE_ENVIRONMENT: u32 = 0x400;
const EXTENDED_STARTUPINFO_PRESENT: u32 = 0x0008_0000;
const STARTF_USESTDHANDLES: u32 = 0x100;

/// STARTUPINFO, in which only texts differ. Of it the standard handles count; windows have no meaning here.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct STARTUPINFO {
    cb: u32,
    texts: [usize; 3],
    numbers: [u32; 7],
    dwFlags: u32,
    shorts: [u16; 2],
    lpReserved2: usize,
    standard: [Handle; 3],
}

/// PROCESS_INFORMATION.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PROCESS_INFORMATION {
    hProcess: Handle,
    hThread: Handle,
    dwProcessId: u32,
    dwThreadId: u32,
}

/// The arguments of CreateProcess, in bytes.
struct Wanted {
    application: Option<Vec<u8>>,
    line: Option<Vec<u8>>,
    handles: [bool; 2],
    inherit: bool,
    flags: u32,
    environment: Option<Vec<Vec<u8>>>,
    directory: Option<Vec<u8>>,
    startup: In<STARTUPINFO>,
    information: Out<PROCESS_INFORMATION>,
}

fn is_inheritable(attributes: In<SECURITY_ATTRIBUTES>) -> bool {
    attributes
        .get()
        .is_some_and(|attributes| attributes.bInheritHandle != FALSE)
}

/// An access list for a process or thread would have to keep out whom the system lets in.
fn refuse_lists(attributes: [In<SECURITY_ATTRIBUTES>; 2]) -> Outcome<()> {
    for attributes in attributes {
        if let Some(attributes) = attributes.get()
            && keeps_out(&attributes)?
        {
            return Err(not_implemented("CreateProcess with an access list"));
        }
    }
    Ok(())
}

fn environment(texts: Texts<'_>, flags: u32) -> Option<Vec<Vec<u8>>> {
    match flags & CREATE_UNICODE_ENVIRONMENT {
        0 => texts.all::<u8>(),
        _ => Some(texts.all::<u16>()?.iter().map(|text| wtf8(text)).collect()),
    }
}

impl Wanted {
    fn check(&self) -> Outcome<()> {
        let unsupported = [
            (CREATE_SUSPENDED, "CreateProcess with CREATE_SUSPENDED"),
            (
                EXTENDED_STARTUPINFO_PRESENT,
                "CreateProcess with EXTENDED_STARTUPINFO_PRESENT",
            ),
            (
                DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS,
                "CreateProcess of a process to be debugged",
            ),
        ];
        match unsupported.iter().find(|(flag, _)| self.flags & flag != 0) {
            Some((_, what)) => Err(not_implemented(what)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &Path, line: &[u8]) -> Outcome<Command> {
        let mut arguments = command_line::arguments(line).into_iter().map(OsString::from_vec);
        let mut command = Command::new(program);
        command.arg0(arguments.next().unwrap_or_default()).args(arguments);
        if let Some(environment) = &self.environment {
            command.env_clear();
            for text in environment {
                // The names of a drive's directories begin with the sign that ends others.
                let equals = text.iter().position(|&byte| byte == b'=').filter(|&at| at > 0);
                if let Some(at) = equals {
                    command.env(OsStr::from_bytes(&text[..at]), OsStr::from_bytes(&text[at + 1..]));
                }
            }
        }
        if let Some(directory) = &self.directory {
            let directory = system_path(OsStr::from_bytes(directory));
            if !Path::new(&directory).is_dir() {
                return Err(Failure(code::DIRECTORY));
            }
            command.current_dir(directory);
        }
        if self.flags & CREATE_NEW_PROCESS_GROUP != 0 {
            command.process_group(0);
        }
        Ok(command)
    }

    fn create(self) -> Outcome<Bool> {
        self.check()?;
        npipe::impersonation::require_acting()?;
        let startup = self.startup.get().ok_or(Failure(code::NOACCESS))?;
        if self.information.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        let line = self.line.as_ref().or(self.application.as_ref());
        let line = line.ok_or(Failure(code::INVALID_PARAMETER))?;
        let program = program::of(self.application.as_deref(), line)?;
        let command = self.command(&program, line)?;
        let given = (startup.dwFlags & STARTF_USESTDHANDLES != 0).then_some(startup.standard);
        // A child is the process', whoever this thread is: it must have no way back that it is not meant to have.
        let child = as_process(|| {
            let (gift, streams) = inherit::gather(self.inherit, given, &program)?;
            spawn(command, gift, streams)
        })?;
        let id = child.id();
        let process = Process::of_child(child)?;
        let object = Object::OtherProcess(Arc::clone(&process));
        let process_handle = handles::insert(object, Access::READ_WRITE, self.handles[0])?;
        let thread = handles::insert(Object::OtherThread(process), Access::READ_WRITE, self.handles[1]);
        self.information.set(PROCESS_INFORMATION {
            hProcess: process_handle,
            hThread: thread.inspect_err(|_| {
                let _ = handles::close(process_handle);
            })?,
            dwProcessId: id,
            dwThreadId: id,
        });
        Ok(TRUE)
    }
}

fn spawn(mut command: Command, gift: Gift, streams: [Stream; 3]) -> Outcome<Child> {
    let [input, output, error] = streams.map(|stream| stream.map_or_else(Stdio::inherit, Stdio::from));
    command.stdin(input).stdout(output).stderr(error);
    match gift.table() {
        Some(fd) => command.env(VARIABLE, fd.to_string()),
        None => command.env_remove(VARIABLE),
    };
    // SAFETY: between fork and exec this makes system calls alone, takes no lock and allocates nothing.
    unsafe { command.pre_exec(move || gift.keep()) };
    command.spawn().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOEXEC) => Failure(code::BAD_EXE_FORMAT),
        _ => Failure::from(error),
    })
}

/// Ends this process without running anything of the program's.
pub(super) fn leave_at_once(exit_code: u32) -> ! {
    // SAFETY: nothing of this process runs after it.
    unsafe { libc::_exit(exit_code as i32) }
}

crate::export! {
    /// CreateProcessA. Without an application's name the first word of the command line is the program, looked for beside
    /// this program, in the current directory, and in PATH. STARTF_USESTDHANDLES counts of what `startup` says. The child is
    /// who this process is, on a thread that impersonates too.
    ///
    /// # Errors
    /// ERROR_FILE_NOT_FOUND, ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_DIRECTORY, ERROR_INVALID_PARAMETER;
    /// ERROR_NOT_SUPPORTED for an end of a named pipe as standard handle of a program that does not use this library;
    /// ERROR_CALL_NOT_IMPLEMENTED for suspended and debugged processes and for attribute lists.
    // semantics 259, 260
    fn CreateProcessA(
        application: Ansi<'_>,
        line: Ansi<'_>,
        process: In<SECURITY_ATTRIBUTES>,
        thread: In<SECURITY_ATTRIBUTES>,
        inherit: Bool,
        flags: u32,
        block: Texts<'_>,
        directory: Ansi<'_>,
        startup: In<STARTUPINFO>,
        information: Out<PROCESS_INFORMATION>,
    ) -> Bool [FALSE] {
        refuse_lists([process, thread])?;
        Wanted {
            application: application.bytes(),
            line: line.bytes(),
            handles: [is_inheritable(process), is_inheritable(thread)],
            inherit: inherit != FALSE,
            flags,
            environment: environment(block, flags),
            directory: directory.bytes(),
            startup,
            information,
        }
        .create()
    }

    /// CreateProcessW.
    ///
    /// # Errors
    /// As CreateProcessA.
    fn CreateProcessW(
        application: WideText<'_>,
        line: WideText<'_>,
        process: In<SECURITY_ATTRIBUTES>,
        thread: In<SECURITY_ATTRIBUTES>,
        inherit: Bool,
        flags: u32,
        block: Texts<'_>,
        directory: WideText<'_>,
        startup: In<STARTUPINFO>,
        information: Out<PROCESS_INFORMATION>,
    ) -> Bool [FALSE] {
        refuse_lists([process, thread])?;
        Wanted {
            application: application.bytes(),
            line: line.bytes(),
            handles: [is_inheritable(process), is_inheritable(thread)],
            inherit: inherit != FALSE,
            flags,
            environment: environment(block, flags),
            directory: directory.bytes(),
            startup,
            information,
        }
        .create()
    }
}
