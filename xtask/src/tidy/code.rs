//! What every Rust file must and must not contain.

use super::source::{Source, words};
use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        findings.extend(opening(file));
        findings.extend(unsafe_code(file));
        findings.extend(unfinished(file));
        findings.extend(ignored_tests(file));
        findings.extend(sleeping_tests(file));
    }
    findings
}

/// A file opens with its model in prose. Inner attributes may stand before
/// it; generated files say `@generated` in their first line instead.
fn opening(file: &Source) -> Option<Finding> {
    if file.text.lines().next()?.contains("@generated") {
        return None;
    }
    let mut at = 0;
    loop {
        at += file.text[at..].len() - file.text[at..].trim_start().len();
        let rest = &file.text[at..];
        if rest.starts_with("//!") {
            return None;
        }
        if !rest.starts_with("#![") {
            return Some(Finding::new(
                &file.path,
                1,
                "does not open with `//!`: what is this file?",
            ));
        }
        at += attribute_end(&file.code[at..])?;
    }
}

/// The length of the attribute at the beginning of `code`.
fn attribute_end(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(offset + 1),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `unsafe` stands only in files that opened the door for it with a reason,
/// and each use says why it is sound.
fn unsafe_code(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, _) in file.code.match_indices("#[allow(unsafe_code") {
        let message = "unsafe code is allowed for a whole file, with `#![allow(…)]`, or not at all";
        findings.push(Finding::new(&file.path, file.line_at(position), message));
    }
    let door = file.code.match_indices("#![allow(").find_map(|(start, _)| {
        let end = start + attribute_end(&file.code[start..])?;
        file.code[start..end]
            .contains("unsafe_code")
            .then(|| &file.text[start..end])
    });
    let uses: Vec<usize> = file.words("unsafe").collect();
    match (door, uses.first()) {
        (None, Some(&first)) => {
            let message = "`unsafe` without `#![allow(unsafe_code, reason = \"…\")]` in the file";
            findings.push(Finding::new(&file.path, file.line_at(first), message));
        }
        (Some(_), None) => {
            let message = "allows unsafe code and has none: remove the attribute";
            findings.push(Finding::new(&file.path, 0, message));
        }
        (Some(attribute), _) if !has_reason(attribute) => {
            let message = "allows unsafe code without `reason = \"…\"`";
            findings.push(Finding::new(&file.path, 0, message));
        }
        _ => {}
    }
    for position in uses.into_iter().filter(|&at| makes_a_promise(&file.code[at..])) {
        let line = file.line_at(position);
        if !is_justified(file, line) {
            let message = "`unsafe` without a `// SAFETY:` comment above it";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

fn has_reason(attribute: &str) -> bool {
    let Some((_, reason)) = attribute.split_once("reason") else {
        return false;
    };
    reason
        .trim_start_matches(['=', ' ', '\n', '"'])
        .chars()
        .any(char::is_alphabetic)
}

/// Whether this `unsafe` is one that the author vouches for (a block, an
/// `impl`, an attribute) and not one that hands a duty to the caller.
fn makes_a_promise(code: &str) -> bool {
    let next = code["unsafe".len()..].trim_start();
    let next = match next.strip_prefix("extern") {
        // `unsafe extern "C" fn` is a function, `unsafe extern "C" {` a block.
        Some(abi) => abi.trim_start_matches(['"', ' ', '\n', '\r']),
        None => next,
    };
    !next.starts_with("fn") && !next.starts_with("trait")
}

/// Whether a SAFETY comment stands on the line (counted from 1) or above the
/// statement that the line is part of.
fn is_justified(file: &Source, line: usize) -> bool {
    let lines: Vec<&str> = file.text.lines().take(line).collect();
    let Some((own, above)) = lines.split_last() else {
        return false;
    };
    if own.contains("SAFETY:") {
        return true;
    }
    for line in above.iter().rev().map(|line| line.trim()) {
        if line.starts_with("//") {
            if line.contains("SAFETY:") {
                return true;
            }
        } else if line.is_empty() || line.ends_with([';', '{', '}']) {
            return false;
        }
    }
    false
}

/// What may be typed while working and never committed.
fn unfinished(file: &Source) -> Vec<Finding> {
    // Joined here, so that this file may pass.
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut findings = Vec::new();
    for name in ["todo", "unimplemented", "dbg"] {
        for position in file.words(name) {
            if file.code[position + name.len()..].starts_with('!') {
                let message = format!("`{name}!` in committed code");
                findings.push(Finding::new(&file.path, file.line_at(position), message));
            }
        }
    }
    for marker in markers {
        for position in words(&file.text, marker) {
            let message = format!("{marker}: do it, or write an issue");
            findings.push(Finding::new(&file.path, file.line_at(position), message));
        }
    }
    findings
}

/// A test that does not run says why.
fn ignored_tests(file: &Source) -> Vec<Finding> {
    file.code
        .match_indices("#[ignore]")
        .map(|(at, _)| Finding::new(&file.path, file.line_at(at), "`#[ignore]` without `= \"why\"`"))
        .collect()
}

/// Tests wait for events. One that sleeps is slow on a fast machine and fails
/// on a slow one.
fn sleeping_tests(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for region in file.test_regions() {
        for (offset, _) in file.code[region.clone()].match_indices("::sleep") {
            let line = file.line_at(region.start + offset);
            findings.push(Finding::new(&file.path, line, "a test that sleeps: wait for an event"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: &str = "#![allow(unsafe_code, reason = \"maps memory\")]\n";

    fn rust(text: &str) -> Source {
        Source::new("src/a.rs", text)
    }

    #[test]
    fn a_file_opens_with_prose() {
        assert_eq!(opening(&rust("//! Prose.\n")), None);
        assert_eq!(
            opening(&rust("#![allow(\n    x,\n    reason = \"]\"\n)]\n\n//! Prose.\n")),
            None
        );
        assert_eq!(opening(&rust("// @generated by a program\nconst X: u8 = 1;\n")), None);
        assert!(opening(&rust("use std::fs;\n//! Prose.\n")).is_some());
        assert!(opening(&rust("/// Prose for what follows.\nstruct A;\n")).is_some());
    }

    #[test]
    fn unsafe_needs_the_attribute_with_a_reason() {
        let block = "// SAFETY: sound.\nunsafe { f() }\n";
        assert!(unsafe_code(&rust(&format!("{DOOR}{block}"))).is_empty());
        assert!(unsafe_code(&rust("#![forbid(unsafe_code)]\nfn f() {}\n")).is_empty());
        assert_eq!(unsafe_code(&rust(block)).len(), 1);
        assert_eq!(unsafe_code(&rust(DOOR)).len(), 1);
        for bad in ["#![allow(unsafe_code)]", "#![allow(unsafe_code, reason = \"\")]"] {
            assert_eq!(unsafe_code(&rust(&format!("{bad}\n{block}"))).len(), 1, "{bad}");
        }
        let narrow = format!("{DOOR}#[allow(unsafe_code, reason = \"x\")]\n{block}");
        assert_eq!(unsafe_code(&rust(&narrow)).len(), 1);
    }

    #[test]
    fn unsafe_says_why_it_is_sound() {
        let findings = |code: &str| unsafe_code(&rust(&format!("{DOOR}{code}"))).len();
        assert_eq!(findings("// SAFETY: two\n// lines.\nlet x =\n    unsafe { f() };\n"), 0);
        assert_eq!(findings("// SAFETY: other.\nlet y = 1;\nlet x = unsafe { f() };\n"), 1);
        assert_eq!(findings("// Fast.\nunsafe { f() };\n"), 1);
        assert_eq!(findings("unsafe impl Send for A {}\n"), 1);
        assert_eq!(findings("unsafe extern \"C\" { fn f(); }\n"), 1);
    }

    #[test]
    fn what_hands_the_duty_on_needs_no_comment() {
        for item in [
            "unsafe fn f() {}",
            "unsafe trait T {}",
            "type F = unsafe extern \"C\" fn(u8);",
        ] {
            assert!(unsafe_code(&rust(&format!("{DOOR}{item}\n"))).is_empty(), "{item}");
        }
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_comments() {
        assert_eq!(unfinished(&rust("todo!();\nunimplemented!()\ndbg!(x);\n")).len(), 3);
        let marker = concat!("// FIX", "ME later\n");
        assert_eq!(unfinished(&rust(marker)).len(), 1);
        assert!(unfinished(&rust("let todo = 1; // mktemp -t XXXXXX\nf(\"todo!\");\n")).is_empty());
    }

    #[test]
    fn an_ignored_test_says_why() {
        assert_eq!(ignored_tests(&rust("#[test]\n#[ignore]\nfn a() {}\n")).len(), 1);
        assert!(ignored_tests(&rust("#[test]\n#[ignore = \"needs root\"]\nfn a() {}\n")).is_empty());
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = "fn a() { thread::sleep(d); }\n#[cfg(test)]\nmod tests {\n    fn b() { thread::sleep(d); }\n}\n";
        let findings = sleeping_tests(&rust(text));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 4);
        assert_eq!(sleeping_tests(&Source::new("tests/a.rs", text)).len(), 2);
    }
}
