//! Command lines, by the documented rules of CommandLineToArgvW.
//!
//! The first word is the program: in quotes up to the next quote, or up to the first blank; backslashes are ordinary there.
//! In the others, blanks separate and quotes keep together. Backslashes are ordinary, but before a quote: an even number of
//! them is half as many and the quote opens or closes, an odd number is half as many and the quote is a character. Three
//! quotes on end are one that is a character.

/// The first word and what stands behind it.
fn first(line: &[u8]) -> (Vec<u8>, &[u8]) {
    if let Some(quoted) = line.strip_prefix(b"\"") {
        let length = quoted.iter().position(|&byte| byte == b'"').unwrap_or(quoted.len());
        return (quoted[..length].to_vec(), quoted.get(length + 1..).unwrap_or_default());
    }
    let (word, rest) = line.split_at(line.iter().position(is_blank).unwrap_or(line.len()));
    (word.to_vec(), rest)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// One word under construction.
#[derive(Default)]
struct Words {
    done: Vec<Vec<u8>>,
    word: Vec<u8>,
    /// Whether there is one: it may be empty, in quotes.
    begun: bool,
}

impl Words {
    fn push(&mut self, byte: u8) {
        self.word.push(byte);
        self.begun = true;
    }

    fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.done.push(std::mem::take(&mut self.word));
        }
    }
}

/// The arguments of a command line, the program first.
pub(crate) fn arguments(line: &[u8]) -> Vec<Vec<u8>> {
    let (program, rest) = first(line);
    let mut words = Words::default();
    words.done.push(program);
    // Quotes on end, of which two open and close, and a third is a character.
    let mut quotes = 0;
    let mut backslashes = 0_usize;
    let mut bytes = rest.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' if quotes == 0 => {
                words.finish();
                backslashes = 0;
            }
            b'\\' => {
                words.push(byte);
                backslashes += 1;
            }
            b'"' => {
                let kept = words.word.len() - backslashes.div_ceil(2);
                words.word.truncate(kept);
                words.begun = true;
                if backslashes % 2 == 1 {
                    words.push(b'"');
                } else {
                    quotes += 1;
                }
                backslashes = 0;
                while bytes.next_if_eq(&b'"').is_some() {
                    quotes += 1;
                    if quotes == 3 {
                        words.push(b'"');
                        quotes = 0;
                    }
                }
                if quotes == 2 {
                    quotes = 0;
                }
            }
            _ => {
                words.push(byte);
                backslashes = 0;
            }
        }
    }
    words.finish();
    words.done
}

/// A line of which [`arguments`] makes these, the program first. A program's name with a quote in it cannot be told.
pub(crate) fn joined<'a>(arguments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, argument) in arguments.enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        let is_plain = !argument.is_empty() && !argument.iter().any(|byte| is_blank(byte) || *byte == b'"');
        if is_plain {
            line.extend(argument);
            continue;
        }
        line.push(b'"');
        let mut backslashes = 0;
        for &byte in argument {
            // Before a quote, each of them counts twice; the program's name knows no such rule.
            if byte == b'"' && index > 0 {
                line.extend(std::iter::repeat_n(b'\\', backslashes + 1));
            }
            backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
            line.push(byte);
        }
        if index > 0 {
            line.extend(std::iter::repeat_n(b'\\', backslashes));
        }
        line.push(b'"');
    }
    line
}

/// What the first word may be as a path, in the order in which it is looked for: without quotes, each blank may be part of
/// it or its end.
pub(super) fn programs(line: &[u8]) -> Vec<Vec<u8>> {
    let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
    let line = &line[start..];
    if line.starts_with(b"\"") {
        return vec![first(line).0];
    }
    let blanks = (0..line.len()).filter(|&at| is_blank(&line[at]));
    let ends = blanks.chain([line.len()]);
    ends.map(|end| line[..end].to_vec())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        let arguments = arguments(line.as_bytes());
        arguments
            .into_iter()
            .map(|word| String::from_utf8(word).unwrap())
            .collect()
    }

    /// The examples of the documentation.
    #[test]
    fn quotes_and_backslashes() {
        for (line, words) in [
            (r#"p "abc" d e"#, &["p", "abc", "d", "e"][..]),
            (r#"p a\\\b d"e f"g h"#, &["p", r"a\\\b", "de fg", "h"]),
            (r#"p a\\\"b c d"#, &["p", r#"a\"b"#, "c", "d"]),
            (r#"p a\\\\"b c" d e"#, &["p", r"a\\b c", "d", "e"]),
            (r#"p "" x"#, &["p", "", "x"]),
            (r#"p """a b""" c"#, &["p", "\"a", "b\"", "c"]),
            (r#""a b\"c d"#, &[r"a b\", "c", "d"]),
            ("p  \t x\t", &["p", "x"]),
            (r"p \\server\share\", &["p", r"\\server\share\"]),
            ("", &[""]),
        ] {
            assert_eq!(split(line), words, "{line}");
        }
    }

    #[test]
    fn what_is_joined_is_taken_apart_again() {
        for words in [
            &["p", "a", "b c", ""][..],
            &[
                "/a program",
                r"back\slash\",
                r#"quo"ted"#,
                r#"\"#,
                r#"\""#,
                r#" \ " \\"#,
            ],
            &["p", "\t", r#""""#, r#"a""b"#, "ä 中"],
        ] {
            let line = joined(words.iter().map(|word| word.as_bytes()));
            assert_eq!(split(&String::from_utf8(line).unwrap()), words);
        }
    }

    #[test]
    fn a_path_with_blanks_is_tried_blank_by_blank() {
        assert_eq!(programs(b"a b c"), [b"a".to_vec(), b"a b".to_vec(), b"a b c".to_vec()]);
        assert_eq!(programs(b" \"a b\" c"), [b"a b".to_vec()]);
        assert!(programs(b"").is_empty());
    }
}
