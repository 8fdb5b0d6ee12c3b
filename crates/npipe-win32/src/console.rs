//! The console, which is the terminal behind a handle: modes, title, colours, texts.
//!
//! What is no terminal is no console either and fails with ERROR_INVALID_HANDLE, by which programs tell the two apart. Its
//! code page is UTF-8, and no other can be chosen.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};

use crate::failure::{Failure, Outcome};
use crate::files::OpenFile;
use crate::handles;
use crate::object::Object;
use crate::pointers::{Ansi, Buffer, Bytes, Out, TextOut, WideText};
use crate::text::{Words, utf16, wtf8};
use crate::types::{Bool, FALSE, Handle, TRUE, code};

const CP_ACP: u32 = 0;
const CP_UTF8: u32 = 65001;

const ENABLE_PROCESSED_INPUT: u32 = 1;
const ENABLE_LINE_INPUT: u32 = 2;
const ENABLE_ECHO_INPUT: u32 = 4;
/// Which mode of the terminal is which mode of a console.
const INPUT_MODES: [(u32, LocalModes); 3] = [
    (ENABLE_PROCESSED_INPUT, LocalModes::ISIG),
    (ENABLE_LINE_INPUT, LocalModes::ICANON),
    (ENABLE_ECHO_INPUT, LocalModes::ECHO),
];

fn console(handle: Handle) -> Outcome<Arc<OpenFile>> {
    match handles::get(handle)?.object {
        Object::File(file) if isatty(&file) => Ok(file),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

fn modes(console: &OpenFile) -> Outcome<u32> {
    let terminal = tcgetattr(console).map_err(std::io::Error::from)?;
    let set = INPUT_MODES
        .iter()
        .filter(|(_, mode)| terminal.local_modes.contains(*mode));
    Ok(set.map(|(mode, _)| mode).sum())
}

fn set_modes(console: &OpenFile, modes: u32) -> Outcome<()> {
    if modes & !(ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT) != 0 {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let mut terminal = tcgetattr(console).map_err(std::io::Error::from)?;
    for (mode, local) in INPUT_MODES {
        terminal.local_modes.set(local, modes & mode != 0);
    }
    tcsetattr(console, OptionalActions::Now, &terminal).map_err(std::io::Error::from)?;
    Ok(())
}

fn set_code_page(page: u32) -> Outcome<Bool> {
    match page {
        CP_ACP | CP_UTF8 => Ok(TRUE),
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

/// Tells the terminal of standard output, or of standard error, its title.
fn set_title(title: impl Words) -> Outcome<Bool> {
    let text = String::from_utf8_lossy(&title.bytes().ok_or(Failure(code::INVALID_PARAMETER))?).into_owned();
    let shown: String = text.chars().filter(|character| !character.is_control()).collect();
    let sequence = format!("\x1b]0;{shown}\x07");
    if isatty(std::io::stdout().as_fd()) {
        std::io::stdout().write_all(sequence.as_bytes())?;
        std::io::stdout().flush()?;
    } else if isatty(std::io::stderr().as_fd()) {
        std::io::stderr().write_all(sequence.as_bytes())?;
    } else {
        return Err(Failure(code::INVALID_HANDLE));
    }
    Ok(TRUE)
}

/// Colours of four bits, blue, green, red and intensity, as the terminal counts them: red first, from `first` on or, if they
/// are intense, from sixty later on.
fn colour(bits: u16, first: u16) -> u16 {
    let hue = (bits & 4) >> 2 | bits & 2 | (bits & 1) << 2;
    first + hue + if bits & 8 != 0 { 60 } else { 0 }
}

fn write(console: &OpenFile, text: &[u8]) -> Outcome<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let written = console.write_some(rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// A part of a line, at most `size` bytes and never a part of a character. A line ends as Windows ends it.
fn read(console: &OpenFile, size: usize) -> Outcome<Vec<u8>> {
    let mut text = vec![0; size.saturating_sub(1).max(size.min(1))];
    let length = console.read_some(&mut text)?;
    text.truncate(length);
    while text.len() + 1 < size && std::str::from_utf8(&text).is_err_and(|error| error.error_len().is_none()) {
        let mut next = [0];
        if console.read_some(&mut next)? == 0 {
            break;
        }
        text.push(next[0]);
    }
    if text.last() == Some(&b'\n') && text.len() < size && modes(console)? & ENABLE_LINE_INPUT != 0 {
        text.insert(text.len() - 1, b'\r');
    }
    Ok(text)
}

crate::export! {
    /// GetConsoleMode, of an input: whether keys are processed, given in lines, and shown. ERROR_INVALID_HANDLE tells that
    /// a handle is no console's.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn GetConsoleMode(handle: Handle, mode: Out<u32>) -> Bool [FALSE] {
        mode.set(modes(&*console(handle)?)?);
        Ok(TRUE)
    }

    /// SetConsoleMode.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for other modes than those three, ERROR_INVALID_HANDLE.
    fn SetConsoleMode(handle: Handle, mode: u32) -> Bool [FALSE] {
        set_modes(&*console(handle)?, mode)?;
        Ok(TRUE)
    }

    /// GetConsoleCP: UTF-8.
    fn GetConsoleCP() -> u32 [0] {
        Ok(CP_UTF8)
    }

    /// GetConsoleOutputCP: UTF-8.
    fn GetConsoleOutputCP() -> u32 [0] {
        Ok(CP_UTF8)
    }

    /// SetConsoleCP.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for all but CP_UTF8 and CP_ACP, which it is.
    fn SetConsoleCP(page: u32) -> Bool [FALSE] {
        set_code_page(page)
    }

    /// SetConsoleOutputCP.
    ///
    /// # Errors
    /// As SetConsoleCP.
    fn SetConsoleOutputCP(page: u32) -> Bool [FALSE] {
        set_code_page(page)
    }

    /// SetConsoleTitleA. Characters that steer a terminal are left out.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE if there is no terminal.
    fn SetConsoleTitleA(title: Ansi<'_>) -> Bool [FALSE] {
        set_title(title)
    }

    /// SetConsoleTitleW.
    ///
    /// # Errors
    /// As SetConsoleTitleA.
    fn SetConsoleTitleW(title: WideText<'_>) -> Bool [FALSE] {
        set_title(title)
    }

    /// SetConsoleTextAttribute: the colours of what is written from now on.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn SetConsoleTextAttribute(handle: Handle, attributes: u16) -> Bool [FALSE] {
        let (fore, back) = (colour(attributes & 15, 30), colour(attributes >> 4 & 15, 40));
        // Black behind is what the terminal has behind.
        let back = if back == 40 { 49 } else { back };
        write(&*console(handle)?, format!("\x1b[{fore};{back}m").as_bytes())?;
        Ok(TRUE)
    }

    /// WriteConsoleA.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn WriteConsoleA(handle: Handle, text: Bytes<'_>, size: u32, count: Out<u32>, _reserved: usize) -> Bool [FALSE] {
        write(&*console(handle)?, text.slice(size)?)?;
        count.set(size);
        Ok(TRUE)
    }

    /// WriteConsoleW.
    ///
    /// # Errors
    /// As WriteConsoleA.
    fn WriteConsoleW(handle: Handle, text: WideText<'_>, size: u32, count: Out<u32>, _reserved: usize) -> Bool [FALSE] {
        let units = text.counted(size as usize).ok_or(Failure(code::NOACCESS))?;
        write(&*console(handle)?, &wtf8(units))?;
        count.set(size);
        Ok(TRUE)
    }

    /// ReadConsoleA: a line, with CR and LF at its end, or a part of it.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn ReadConsoleA(handle: Handle, text: Buffer<'_>, size: u32, count: Out<u32>, _control: usize) -> Bool [FALSE] {
        let console = console(handle)?;
        let text = text.slice(size)?;
        let line = read(&console, text.len())?;
        text[..line.len()].copy_from_slice(&line);
        count.set(line.len() as u32);
        Ok(TRUE)
    }

    /// ReadConsoleW.
    ///
    /// # Errors
    /// As ReadConsoleA.
    fn ReadConsoleW(handle: Handle, text: TextOut<u16>, size: u32, count: Out<u32>, _control: usize) -> Bool [FALSE] {
        let console = console(handle)?;
        if text.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        // A character has no more units in UTF-16 than bytes in UTF-8.
        let line = utf16(&read(&console, size as usize)?);
        text.write_bare(&line);
        count.set(line.len() as u32);
        Ok(TRUE)
    }
}
