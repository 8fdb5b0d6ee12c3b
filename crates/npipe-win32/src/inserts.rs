//! Formats of FormatMessage and what is inserted into them.
//!
//! `%1` to `%99` are inserts, texts if nothing else is said: `%1!FORMAT!` has a format of `printf`, for texts and integers,
//! in which a `*` takes the argument of the insert's number, and what it belongs to the one behind. `%n`, `%r`, `%t`, `%b`,
//! `%.`, `%!`, `%%` and `%0` (which ends the message) stand for characters.

use crate::failure::{Outcome, not_implemented};
use crate::pointers::Text;
use crate::text::Words;
use crate::types::Wide;

/// An argument: a word, which may be where a text is.
type Word<'a> = Text<'a, u8>;

/// Which form of the function is called: its plain texts are of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ansi,
    Wide,
}

impl Form {
    fn other(self) -> Form {
        match self {
            Form::Ansi => Form::Wide,
            Form::Wide => Form::Ansi,
        }
    }
}

/// What an insert shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A text of a form, or of the function's, or of the other one.
    Text(Width),
    Character(Width),
    /// `signed`, and with how many bits.
    Decimal {
        signed: bool,
        bits: u32,
    },
    Hexadecimal {
        upper: bool,
        bits: u32,
    },
    Octal {
        bits: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Own,
    Other,
    Always(Form),
}

impl Width {
    fn form(self, form: Form) -> Form {
        match self {
            Width::Own => form,
            Width::Other => form.other(),
            Width::Always(form) => form,
        }
    }
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Given(usize),
    Argument,
}

/// A format of `printf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    left: bool,
    zeros: bool,
    sign: Option<u8>,
    prefix: bool,
    width: Amount,
    precision: Option<Amount>,
    kind: Kind,
}

const PLAIN: Spec = Spec {
    left: false,
    zeros: false,
    sign: None,
    prefix: false,
    width: Amount::Given(0),
    precision: None,
    kind: Kind::Text(Width::Own),
};

/// No field is wider, so that a width that makes no sense takes no memory.
const WIDEST: usize = 1 << 16;

/// A piece of a format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece(Content);

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Text(Vec<u8>),
    /// An insert, by its number from 1.
    Insert(usize, Spec),
}

/// Takes a format apart.
///
/// # Errors
/// ERROR_CALL_NOT_IMPLEMENTED for other formats of `printf`.
pub(crate) fn pieces(format: &[u8], expand: bool) -> Outcome<Vec<Piece>> {
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
                let mut spec = PLAIN;
                if rest.next_if_eq(&b'!').is_some() {
                    let printf: Vec<u8> = rest.by_ref().take_while(|&byte| byte != b'!').collect();
                    spec = parse(&printf).ok_or_else(|| not_implemented("FormatMessage with such an insert"))?;
                }
                pieces.push(Piece(Content::Text(std::mem::take(&mut text))));
                pieces.push(Piece(Content::Insert(number, spec)));
            }
            b'n' => text.extend_from_slice(b"\r\n"),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(b' '),
            other => text.push(other),
        }
    }
    pieces.push(Piece(Content::Text(text)));
    Ok(pieces)
}

/// A width or precision, and what stands behind it.
fn amount(text: &[u8]) -> (Option<Amount>, &[u8]) {
    if let Some(rest) = text.strip_prefix(b"*") {
        return (Some(Amount::Argument), rest);
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let value = digits.iter().fold(0_usize, |value, digit| {
        (value * 10 + usize::from(digit - b'0')).min(WIDEST)
    });
    ((length > 0).then_some(Amount::Given(value)), rest)
}

fn parse(mut text: &[u8]) -> Option<Spec> {
    let mut spec = PLAIN;
    while let Some((&flag, rest)) = text.split_first() {
        match flag {
            b'-' => spec.left = true,
            b'0' => spec.zeros = true,
            b'+' => spec.sign = Some(b'+'),
            b' ' => spec.sign = spec.sign.or(Some(b' ')),
            b'#' => spec.prefix = true,
            _ => break,
        }
        text = rest;
    }
    let (width, rest) = amount(text);
    spec.width = width.unwrap_or(Amount::Given(0));
    text = rest;
    if let Some(rest) = text.strip_prefix(b".") {
        let (precision, rest) = amount(rest);
        spec.precision = Some(precision.unwrap_or(Amount::Given(0)));
        text = rest;
    }
    let (kind, size) = text.split_last()?;
    let bits = match size {
        b"ll" | b"I64" | b"j" => 64,
        b"I" | b"z" | b"t" => usize::BITS,
        b"" | b"l" | b"I32" => 32,
        b"h" => 16,
        b"hh" => 8,
        b"w" => 0,
        _ => return None,
    };
    let width = match (size, kind) {
        (b"l" | b"w", _) => Width::Always(Form::Wide),
        (b"h", _) => Width::Always(Form::Ansi),
        (_, b'S' | b'C') => Width::Other,
        _ => Width::Own,
    };
    spec.kind = match kind {
        b's' | b'S' => Kind::Text(width),
        b'c' | b'C' => Kind::Character(width),
        b'd' | b'i' => Kind::Decimal { signed: true, bits },
        b'u' => Kind::Decimal { signed: false, bits },
        b'x' => Kind::Hexadecimal { upper: false, bits },
        b'X' => Kind::Hexadecimal { upper: true, bits },
        b'o' => Kind::Octal { bits },
        b'p' => {
            spec.precision = Some(Amount::Given(usize::BITS as usize / 4));
            let (upper, bits) = (true, usize::BITS);
            Kind::Hexadecimal { upper, bits }
        }
        _ => return None,
    };
    // Only texts have a size of their own that is no number's.
    (bits > 0 || matches!(spec.kind, Kind::Text(_) | Kind::Character(_))).then_some(spec)
}

impl Spec {
    fn stars(&self) -> usize {
        let star = |amount| usize::from(amount == Amount::Argument);
        star(self.width) + self.precision.map_or(0, star)
    }
}

/// How many arguments there have to be.
pub(crate) fn arguments(pieces: &[Piece]) -> usize {
    let last = pieces.iter().map(|Piece(content)| match content {
        Content::Insert(number, spec) => number + spec.stars(),
        Content::Text(_) => 0,
    });
    last.max().unwrap_or(0)
}

/// The message. There are as many arguments as [`arguments`] says.
pub(crate) fn fill(pieces: &[Piece], words: &[Word<'_>], form: Form) -> Vec<u8> {
    let mut message = Vec::new();
    for Piece(content) in pieces {
        match content {
            Content::Text(text) => message.extend(text),
            Content::Insert(number, spec) => message.extend(show(*spec, &words[number - 1..], form)),
        }
    }
    message
}

fn show(mut spec: Spec, words: &[Word<'_>], form: Form) -> Vec<u8> {
    let mut words = words.iter();
    let mut value = |amount: Amount| match amount {
        Amount::Given(value) => value as i32,
        Amount::Argument => words.next().map_or(0, |word| word.address() as i32),
    };
    let width = value(spec.width);
    // Below zero it is on the left; a precision below zero is none.
    spec.left |= width < 0;
    let width = (width.unsigned_abs() as usize).min(WIDEST);
    let precision = spec
        .precision
        .map(&mut value)
        .and_then(|value| usize::try_from(value).ok());
    let precision = precision.map(|precision| precision.min(WIDEST));
    let Some(&word) = words.next() else { return Vec::new() };
    let (sign, shown) = content(&spec, word, precision, form);
    let length = sign.len() + String::from_utf8_lossy(&shown).chars().count();
    let padding = width.saturating_sub(length);
    let is_number = !matches!(spec.kind, Kind::Text(_) | Kind::Character(_));
    let (spaces, zeros) = match spec.zeros && !spec.left && is_number && precision.is_none() {
        true => (0, padding),
        false => (padding, 0),
    };
    let repeat = |byte, count| std::iter::repeat_n(byte, count);
    let (before, behind) = if spec.left { (0, spaces) } else { (spaces, 0) };
    repeat(b' ', before)
        .chain(sign)
        .chain(repeat(b'0', zeros))
        .chain(shown)
        .chain(repeat(b' ', behind))
        .collect()
}

/// What stands before zeros, and the rest.
fn content(spec: &Spec, word: Word<'_>, precision: Option<usize>, form: Form) -> (Vec<u8>, Vec<u8>) {
    let bits = |bits: u32| (word.address() as u64) & (u64::MAX >> (64 - bits));
    let digits = |digits: String| {
        let missing = precision.unwrap_or(1).saturating_sub(digits.len());
        let mut shown = vec![b'0'; missing];
        // Nothing is shown of a zero without digits.
        if precision != Some(0) || digits != "0" {
            shown.extend(digits.into_bytes());
        }
        shown
    };
    let prefix = |prefix: &[u8], number| {
        if spec.prefix && number != 0 {
            prefix.to_vec()
        } else {
            Vec::new()
        }
    };
    match spec.kind {
        Kind::Text(width) => (Vec::new(), text(word, width.form(form), precision)),
        Kind::Character(width) => (Vec::new(), character(word, width.form(form))),
        Kind::Decimal {
            signed: false,
            bits: size,
        } => (Vec::new(), digits(bits(size).to_string())),
        Kind::Decimal {
            signed: true,
            bits: size,
        } => {
            let number = (bits(size) << (64 - size)) as i64 >> (64 - size);
            let sign = if number < 0 { Some(b'-') } else { spec.sign };
            (sign.into_iter().collect(), digits(number.unsigned_abs().to_string()))
        }
        Kind::Hexadecimal {
            upper: false,
            bits: size,
        } => {
            let number = bits(size);
            (prefix(b"0x", number), digits(format!("{number:x}")))
        }
        Kind::Hexadecimal {
            upper: true,
            bits: size,
        } => {
            let number = bits(size);
            (prefix(b"0X", number), digits(format!("{number:X}")))
        }
        Kind::Octal { bits: size } => {
            let number = bits(size);
            (prefix(b"0", number), digits(format!("{number:o}")))
        }
    }
}

/// A text, up to `precision` units of it, which need not end with a zero then.
fn text(word: Word<'_>, form: Form, precision: Option<usize>) -> Vec<u8> {
    let shown = match (form, precision) {
        (Form::Ansi, None) => word.bytes(),
        (Form::Wide, None) => word.recast::<Wide>().bytes(),
        (Form::Ansi, Some(most)) => word.units_up_to(most).map(<[u8]>::to_vec),
        (Form::Wide, Some(most)) => word.recast::<Wide>().units_up_to(most).map(crate::text::wtf8),
    };
    shown.unwrap_or_else(|| b"(null)".to_vec())
}

fn character(word: Word<'_>, form: Form) -> Vec<u8> {
    match form {
        Form::Ansi => vec![word.address() as u8],
        Form::Wide => crate::text::wtf8(&[word.address() as Wide]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, expand: bool) -> Vec<String> {
        let shown = |Piece(content): Piece| match content {
            Content::Text(text) => String::from_utf8(text).unwrap(),
            Content::Insert(number, spec) => format!("<{number}+{}>", spec.stars()),
        };
        let pieces = pieces(format.as_bytes(), expand).unwrap();
        pieces.into_iter().map(shown).collect()
    }

    #[test]
    fn formats_are_taken_apart() {
        assert_eq!(
            shown("a %1!s! b %12%n%%%0 rest", true),
            ["a ", "<1+0>", " b ", "<12+0>", "\r\n%"]
        );
        assert_eq!(shown("a %1 b", false), ["a %1 b"]);
        assert_eq!(shown("%2!*.*s!%5!-08lx!", true), ["", "<2+2>", "", "<5+0>", ""]);
    }

    #[test]
    fn other_formats_are_refused() {
        for printf in ["", "f", "n", "q", "wd", "5", "*", ".", "Ld"] {
            assert_eq!(parse(printf.as_bytes()), None, "{printf}");
        }
        assert!(parse(b"99999999999999999999d").is_some());
    }
}
