//! One file as the checks see it: its text, and for Rust also its *code*,
//! which is the text with every comment and the inside of every literal
//! replaced by spaces. Both have the same length and the same lines, so a
//! position in one is a position in the other, and a brace, a keyword or an
//! attribute found in the code is really one.

use std::iter;
use std::ops::Range;

/// A file of the repository.
pub(super) struct Source {
    /// From the root of the repository, with `/` between the parts.
    pub(super) path: String,
    pub(super) text: String,
    /// Empty unless the file is Rust.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: impl Into<String>) -> Source {
        let text = text.into();
        let code = if path.ends_with(".rs") {
            blanked(&text)
        } else {
            String::new()
        };
        Source {
            path: path.to_owned(),
            text,
            code,
        }
    }

    /// The line, counted from 1, that holds a byte position.
    pub(super) fn line_at(&self, position: usize) -> usize {
        1 + self.text.as_bytes()[..position].iter().filter(|&&b| b == b'\n').count()
    }

    /// Where `word` stands in the code as a whole word.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// The functions with a body: from the keyword to the closing brace.
    pub(super) fn functions(&self) -> impl Iterator<Item = Range<usize>> {
        self.words("fn").filter_map(|start| {
            let after = self.code[start + 2..].trim_start();
            // `fn(u8)` is a type.
            after.starts_with(is_word_char).then_some(())?;
            Some(start..body_end(&self.code, start)?)
        })
    }

    /// The parts compiled for tests alone: whole files in `tests/` and of the
    /// name `tests.rs`, and what follows a `#[cfg(test)]`.
    pub(super) fn test_regions(&self) -> Vec<Range<usize>> {
        let parts: Vec<&str> = self.path.split('/').collect();
        if parts.iter().any(|part| *part == "tests" || *part == "tests.rs") {
            return iter::once(0..self.code.len()).collect();
        }
        ["#[cfg(test)]", "#[cfg(all(test"]
            .iter()
            .flat_map(|marker| self.code.match_indices(marker))
            .filter_map(|(start, _)| Some(start..body_end(&self.code, start)?))
            .collect()
    }
}

/// Where `word` stands in `code` as a whole word.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(start, _)| start).filter(move |&start| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !before.is_some_and(is_word_char) && !after.is_some_and(is_word_char)
    })
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The end of the item that starts at `start`: behind the brace that closes
/// its body. None if it has no body, as in a trait or `mod tests;`.
fn body_end(code: &str, start: usize) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' if braces == 0 => brackets += 1,
            b')' | b']' if braces == 0 => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' if brackets == 0 => braces += 1,
            b'}' if brackets == 0 => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text with comments and the insides of literals blanked.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (inside, next) = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                let end = position(bytes, at, b"\n");
                (at..end, end)
            }
            b'/' if bytes[at..].starts_with(b"/*") => {
                let end = block_comment_end(bytes, at);
                (at..end, end)
            }
            b'"' => {
                let end = string_end(bytes, at + 1);
                (at + 1..end, end + 1)
            }
            b'r' if !follows_word(bytes, at) => raw_string(bytes, at).unwrap_or((at..at, at + 1)),
            b'\'' => character(text, at).unwrap_or((at..at, at + 1)),
            _ => (at..at, at + 1),
        };
        for byte in &mut code[inside] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    // Only whole characters were replaced, by one space per byte.
    String::from_utf8_lossy(&code).into_owned()
}

/// Where `needle` begins at or after `from`, else the end of the text.
fn position(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    let rest = &bytes[from.min(bytes.len())..];
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map_or(bytes.len(), |offset| from + offset)
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 1;
    let mut at = start + 2;
    while depth > 0 && at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
    }
    at
}

/// The closing quote of a string whose inside begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Whether `at` continues an identifier, the prefixes `b` and `c` of a raw
/// string aside.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |at: usize| bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_';
    match at {
        0 => false,
        1 => is_word(0) && !matches!(bytes[0], b'b' | b'c'),
        _ if matches!(bytes[at - 1], b'b' | b'c') => is_word(at - 2),
        _ => is_word(at - 1),
    }
}

/// `r"…"` and `r#"…"#` at `at`: the inside, and where the text goes on.
fn raw_string(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    let start = at + 1 + hashes;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = iter::once(b'"').chain(iter::repeat_n(b'#', hashes)).collect();
    let end = position(bytes, start + 1, &closing);
    Some((start + 1..end, end + closing.len()))
}

/// The character literal at `at`: its inside, and where the text goes on.
/// None for a lifetime.
fn character(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let inside = &text[at + 1..];
    let length = if inside.starts_with('\\') {
        // The escaped character may itself be a quote.
        2 + inside.get(2..)?.find('\'')?
    } else {
        let length = inside.chars().next()?.len_utf8();
        inside[length..].starts_with('\'').then_some(length)?
    };
    Some((at + 1..at + 1 + length, at + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let source = Source::new("a.rs", text);
        assert_eq!(source.code.len(), text.len(), "positions moved in {text:?}");
        source.code
    }

    #[test]
    fn comments_are_blanked_and_lines_stay() {
        assert_eq!(code("a // b {\nc"), "a       \nc");
        assert_eq!(code("a /* { /* } */\n{ */ c"), "a             \n     c");
        assert_eq!(code("x /* open"), "x        ");
    }

    #[test]
    fn literals_keep_their_quotes_only() {
        assert_eq!(code(r#"f("{ \" }", b"{") {"#), r#"f("      ", b" ") {"#);
        assert_eq!(code(r##"f(r#"{ " }"#, br"{") {"##), r##"f(r#"     "#, br" ") {"##);
        assert_eq!(code(r"f('{', '\'', b'}', '\u{7b}')"), r"f(' ', '  ', b' ', '      ')");
        assert_eq!(code("'é' {"), "'  ' {");
        assert_eq!(code("\"open"), "\"    ");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str) {"), "fn f<'a>(x: &'a str) {");
        assert_eq!(code("let r#fn = var\"x\";"), "let r#fn = var\" \";");
    }

    #[test]
    fn functions_end_where_their_body_does() {
        let text = "fn a() { if x { \"}\" } }\nfn t();\ntype F = fn(u8);\nfn b(x: [u8; 4]) -> u8 {\n}\n";
        let source = Source::new("a.rs", text);
        let found: Vec<&str> = source.functions().map(|range| &text[range]).collect();
        assert_eq!(found, ["fn a() { if x { \"}\" } }", "fn b(x: [u8; 4]) -> u8 {\n}"]);
    }

    #[test]
    fn words_are_whole_words() {
        let source = Source::new("a.rs", "unsafe unsafe_code notunsafe {unsafe}");
        assert_eq!(source.words("unsafe").collect::<Vec<_>>(), [0, 30]);
    }

    #[test]
    fn test_regions_are_test_modules_and_test_files() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n";
        let regions = Source::new("src/a.rs", text).test_regions();
        assert_eq!(regions.len(), 1);
        assert_eq!(&text[regions[0].clone()], "#[cfg(test)]\nmod tests { fn b() {} }");
        for path in ["crates/x/tests/a.rs", "src/ring/tests.rs"] {
            let regions = Source::new(path, text).test_regions();
            assert_eq!((regions.len(), regions[0].clone()), (1, 0..text.len()));
        }
        assert!(
            Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\n")
                .test_regions()
                .is_empty()
        );
    }

    #[test]
    fn lines_count_from_one() {
        let source = Source::new("a.rs", "a\nb\n");
        assert_eq!((source.line_at(0), source.line_at(2)), (1, 2));
    }
}
