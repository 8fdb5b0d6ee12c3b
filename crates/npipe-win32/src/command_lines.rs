//! The command line of this process, and taking one apart.
//!
//! The system hands over arguments, not a line; the line is made of them, so that taking it apart gives them back.

use std::os::unix::ffi::OsStrExt;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::failure::{Failure, Outcome};
use crate::heap;
use crate::pointers::{Out, TextOut, WideText};
use crate::processes::command_line;
use crate::text::{Words, utf16};
use crate::types::{Wide, code};

/// STARTUPINFO, in which only texts differ, as words.
const STARTUP_BYTES: usize = 104;

fn own() -> Vec<u8> {
    let arguments: Vec<_> = std::env::args_os().collect();
    command_line::joined(arguments.iter().map(|argument| argument.as_bytes()))
}

/// The array of texts, which lies in one block with them.
fn take_apart(line: &[u8], count: Out<i32>) -> Outcome<NonNull<u8>> {
    let arguments: Vec<Vec<Wide>> = match line {
        // Of nothing the program is made.
        [] => vec![utf16(std::env::current_exe()?.as_os_str().as_bytes())],
        line => command_line::arguments(line)
            .iter()
            .map(|argument| utf16(argument))
            .collect(),
    };
    let array = (arguments.len() + 1) * size_of::<usize>();
    let units: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    let block = heap::allocate(array + units * size_of::<Wide>(), false)?;
    let mut texts = TextOut::<Wide>::of_allocation(block).at(array / size_of::<Wide>());
    let mut addresses = Vec::with_capacity(arguments.len());
    for argument in &arguments {
        texts.write(argument);
        addresses.push(texts.address());
        texts = texts.at(argument.len() + 1);
    }
    // The array ends with NULL, as `main` has it.
    TextOut::<usize>::of_allocation(block).write(&addresses);
    count.set(arguments.len() as i32);
    Ok(block)
}

crate::export! {
    /// GetCommandLineA: the same text each time.
    fn GetCommandLineA() -> usize [0] {
        static LINE: OnceLock<Vec<u8>> = OnceLock::new();
        let line = LINE.get_or_init(|| {
            let mut line = own();
            line.push(0);
            line
        });
        Ok(line.as_ptr().expose_provenance())
    }

    /// GetCommandLineW.
    fn GetCommandLineW() -> usize [0] {
        static LINE: OnceLock<Vec<Wide>> = OnceLock::new();
        let line = LINE.get_or_init(|| {
            let mut line = utf16(&own());
            line.push(0);
            line
        });
        Ok(line.as_ptr().expose_provenance())
    }

    /// CommandLineToArgvW: an array of texts, in one block that LocalFree frees. Of an empty line the program's path.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL, ERROR_NOT_ENOUGH_MEMORY.
    fn CommandLineToArgvW(line: WideText<'_>, count: Out<i32>) -> usize [0] {
        let invalid = Failure(code::INVALID_PARAMETER);
        if count.is_null() {
            return Err(invalid);
        }
        Ok(take_apart(&line.bytes().ok_or(invalid)?, count)?.as_ptr().expose_provenance())
    }

    /// GetStartupInfoA: what the starter wished for a window is not passed on, so all of it is zero but its size.
    fn GetStartupInfoA(startup: Out<[u32; STARTUP_BYTES / 4]>) -> () [()] {
        startup.set(empty());
        Ok(())
    }

    /// GetStartupInfoW.
    fn GetStartupInfoW(startup: Out<[u32; STARTUP_BYTES / 4]>) -> () [()] {
        startup.set(empty());
        Ok(())
    }
}

fn empty() -> [u32; STARTUP_BYTES / 4] {
    let mut words = [0; STARTUP_BYTES / 4];
    words[0] = STARTUP_BYTES as u32;
    words
}
