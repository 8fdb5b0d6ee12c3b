//! FormatMessage: what an error number means, or a program's own format with its inserts.
//!
//! The texts are npipe's, in English, whatever language is asked for.

use npipe::Status;

use crate::failure::{Failure, Outcome, not_implemented};
use crate::heap;
use crate::pointers::{Ansi, In, Text, TextOut, WideText};
use crate::text::{Page, Words};
use crate::types::code;

const ALLOCATE_BUFFER: u32 = 0x100;
const IGNORE_INSERTS: u32 = 0x200;
const FROM_STRING: u32 = 0x400;
const FROM_HMODULE: u32 = 0x800;
const FROM_SYSTEM: u32 = 0x1000;
const ARGUMENT_ARRAY: u32 = 0x2000;
const MAX_WIDTH_MASK: u32 = 0xFF;

/// The numbers that no status of pipes stands for.
const TEXTS: &[(u32, &str)] = &[
    (code::SUCCESS, "The operation completed."),
    (code::NOT_ENOUGH_MEMORY, "There is not enough memory."),
    (code::HANDLE_EOF, "The end of the file was reached."),
    (code::FILE_EXISTS, "The file exists."),
    (code::DISK_FULL, "There is not enough space on the disk."),
    (code::CALL_NOT_IMPLEMENTED, "This function is not implemented by npipe."),
    (
        code::INSUFFICIENT_BUFFER,
        "The place given for a result is missing or too small.",
    ),
    (code::MOD_NOT_FOUND, "The module was not found."),
    (code::PROC_NOT_FOUND, "The function was not found."),
    (
        code::NEGATIVE_SEEK,
        "The position would be before the beginning of the file.",
    ),
    (code::DIR_NOT_EMPTY, "The directory is not empty."),
    (code::NOT_LOCKED, "It is not locked."),
    (code::ALREADY_EXISTS, "The object exists already."),
    (code::BAD_EXE_FORMAT, "The file is no program."),
    (code::ENVVAR_NOT_FOUND, "The environment has no such variable."),
    (258, "The time-out passed."),
    (code::DIRECTORY, "There is no such directory."),
    (code::NOT_OWNER, "The mutex belongs to another thread, or to none."),
    (code::TOO_MANY_POSTS, "The semaphore would exceed its maximum."),
    (code::MR_MID_NOT_FOUND, "There is no message for this number."),
    (code::ABANDONED_WAIT_0, "The wait was abandoned: its handle was closed."),
    (code::NOACCESS, "The address is not usable."),
    (code::NO_TOKEN, "The thread does not impersonate anybody."),
    (code::NO_UNICODE_TRANSLATION, "The text is not well-formed."),
    (
        code::NOT_ALL_ASSIGNED,
        "The token has not all privileges that were named.",
    ),
    (code::NO_IMPERSONATION_TOKEN, "It is no impersonation token."),
    (code::NO_SUCH_PRIVILEGE, "There is no such privilege."),
    (code::GENERIC_NOT_MAPPED, "Generic rights have to be mapped before."),
    (code::BAD_TOKEN_TYPE, "The token is of the wrong type for this."),
    (code::INTERNAL_ERROR, "An internal error occurred."),
    (code::TIMEOUT, "The time-out passed."),
];

fn system_text(number: u32) -> Outcome<String> {
    // An NT status wrapped as an HRESULT, or the number of one.
    let number = if number & 0xFFFF_0000 == 0x8007_0000 {
        number & 0xFFFF
    } else {
        number
    };
    let own = TEXTS.iter().find(|(known, _)| *known == number).map(|(_, text)| *text);
    let text = own.or_else(|| Status::from_win32(number).map(Status::meaning));
    Ok(format!("{}\r\n", text.ok_or(Failure(code::MR_MID_NOT_FOUND))?))
}

/// A piece of a format.
enum Piece {
    Text(Vec<u8>),
    /// An insert, by its number from 1.
    Insert(usize),
}

/// Takes a format apart. Inserts are `%1` to `%99`, texts all of them; `%n`, `%r`, `%t`, `%b`, `%.`, `%!`, `%%` and `%0`
/// (which ends the message) stand for characters.
fn pieces(format: &[u8], expand: bool) -> Outcome<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut rest = format.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            text.push(byte);
            continue;
        }
        let Some(kind) = rest.next() else { break };
        match kind {
            b'0' => break,
            b'1'..=b'9' => {
                let mut number = usize::from(kind - b'0');
                let mut digits = vec![b'%', kind];
                if let Some(second) = rest.next_if(u8::is_ascii_digit) {
                    number = number * 10 + usize::from(second - b'0');
                    digits.push(second);
                }
                if !expand {
                    text.append(&mut digits);
                    continue;
                }
                if rest.next_if_eq(&b'!').is_some() {
                    let printf: Vec<u8> = rest.by_ref().take_while(|&byte| byte != b'!').collect();
                    if printf != b"s" {
                        return Err(not_implemented("FormatMessage with inserts that are not texts"));
                    }
                }
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Insert(number));
            }
            b'n' => text.extend_from_slice(b"\r\n"),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(b' '),
            other => text.push(other),
        }
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

/// What FormatMessage is asked for, in either form.
struct Request<U: Copy> {
    flags: u32,
    number: u32,
    buffer: TextOut<U>,
    size: u32,
}

impl<U: Copy + Default + PartialEq> Request<U> {
    fn message<'a>(&self, source: Text<'a, U>, inserts: In<Text<'a, U>>) -> Outcome<Vec<u8>>
    where
        Text<'a, U>: Words,
    {
        if self.flags & FROM_STRING == 0 {
            if self.flags & (FROM_SYSTEM | FROM_HMODULE) == 0 {
                return Err(Failure(code::INVALID_PARAMETER));
            }
            return Ok(system_text(self.number)?.into_bytes());
        }
        let format = source.bytes().ok_or(Failure(code::INVALID_PARAMETER))?;
        let pieces = pieces(&format, self.flags & IGNORE_INSERTS == 0)?;
        let last = pieces.iter().filter_map(|piece| match piece {
            Piece::Insert(number) => Some(*number),
            Piece::Text(_) => None,
        });
        let last = last.max().unwrap_or(0);
        if last > 0 && self.flags & ARGUMENT_ARRAY == 0 {
            return Err(not_implemented("FormatMessage with a va_list"));
        }
        let inserts = match last {
            0 => Vec::new(),
            _ => inserts.array(last).ok_or(Failure(code::INVALID_PARAMETER))?,
        };
        let mut message = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => message.extend(text),
                Piece::Insert(number) => message.extend(inserts[number - 1].bytes().unwrap_or_default()),
            }
        }
        Ok(message)
    }

    fn deliver(&self, mut message: Vec<u8>) -> Outcome<u32>
    where
        TextOut<U>: Page,
    {
        if self.flags & MAX_WIDTH_MASK == MAX_WIDTH_MASK {
            // No line ends but those of the format.
            while message.ends_with(b"\n") || message.ends_with(b"\r") {
                message.pop();
            }
        }
        if self.buffer.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let length = self.buffer.length_of(&message);
        if self.flags & ALLOCATE_BUFFER != 0 {
            let units = (length + 1).max(self.size as usize);
            let memory = heap::allocate(units * size_of::<U>(), true)?;
            TextOut::<U>::of_allocation(memory).put(&message);
            self.buffer.set_address(memory.as_ptr() as usize);
        } else if self.size as usize <= length {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        } else {
            self.buffer.put(&message);
        }
        Ok(length as u32)
    }
}

crate::export! {
    /// FormatMessageA: the length of the message.
    ///
    /// # Errors
    /// ERROR_MR_MID_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER; ERROR_CALL_NOT_IMPLEMENTED for inserts
    /// that are not texts or come by a va_list.
    fn FormatMessageA(
        flags: u32,
        source: Ansi<'_>,
        number: u32,
        _language: u32,
        buffer: TextOut<u8>,
        size: u32,
        inserts: In<Ansi<'_>>,
    ) -> u32 [0] {
        let request = Request { flags, number, buffer, size };
        request.deliver(request.message(source, inserts)?)
    }

    /// FormatMessageW.
    ///
    /// # Errors
    /// As FormatMessageA.
    fn FormatMessageW(
        flags: u32,
        source: WideText<'_>,
        number: u32,
        _language: u32,
        buffer: TextOut<u16>,
        size: u32,
        inserts: In<WideText<'_>>,
    ) -> u32 [0] {
        let request = Request { flags, number, buffer, size };
        request.deliver(request.message(source, inserts)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a function of this library may fail with has a message.
    #[test]
    fn every_status_has_a_message() {
        for status in Status::all() {
            let text = system_text(status.win32()).unwrap();
            assert!(text.ends_with("\r\n") && text.len() > 4, "{text:?}");
        }
        assert_eq!(system_text(0xFFFF).err(), Some(Failure(code::MR_MID_NOT_FOUND)));
    }

    #[test]
    fn formats_are_taken_apart() {
        let text = |format: &str, expand| -> Vec<String> {
            let shown = |piece: Piece| match piece {
                Piece::Text(text) => String::from_utf8(text).unwrap(),
                Piece::Insert(number) => format!("<{number}>"),
            };
            pieces(format.as_bytes(), expand)
                .unwrap()
                .into_iter()
                .map(shown)
                .collect()
        };
        assert_eq!(
            text("a %1!s! b %12%n%%%0 rest", true),
            ["a ", "<1>", " b ", "<12>", "\r\n%"]
        );
        assert_eq!(text("a %1 b", false), ["a %1 b"]);
    }
}
