//! Lengths: a file that can be read in one sitting, a function that fits on
//! a screen.

use super::{Finding, Tree};

/// Longest file, in lines.
const FILE_LINES: usize = 600;

/// Longest function, in lines, from the keyword to the closing brace.
const FUNCTION_LINES: usize = 70;

/// Longer files, each with the reason why splitting it would help nobody.
const LONG_FILES: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = files(tree, LONG_FILES);
    findings.extend(functions(tree));
    findings
}

fn files(tree: &Tree, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        let is_allowed = allowed.iter().any(|(path, _)| *path == file.path);
        if lines > FILE_LINES && !is_allowed {
            let message = format!("{lines} lines, more than {FILE_LINES}: split it by concept");
            findings.push(Finding::new(&file.path, 0, message));
        }
    }
    for (path, reason) in allowed {
        let is_long = tree.file(path).is_some_and(|f| f.text.lines().count() > FILE_LINES);
        if !is_long {
            let message = format!("listed as long ({reason}), but is not: remove it from the list");
            findings.push(Finding::new(path, 0, message));
        }
    }
    findings
}

fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for range in file.functions() {
            let line = file.line_at(range.start);
            let lines = file.line_at(range.end - 1) - line + 1;
            if lines > FUNCTION_LINES {
                let message = format!("a function of {lines} lines, more than {FUNCTION_LINES}");
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_need_a_reason() {
        let long = "//! x\n".repeat(FILE_LINES + 1);
        let tree = Tree::of(&[("long.rs", &long), ("short.rs", "//! x\n"), ("long.md", &long)]);
        let paths = |allowed| files(&tree, allowed).into_iter().map(|f| f.path).collect::<Vec<_>>();
        assert_eq!(paths(&[]), ["long.rs"]);
        assert!(paths(&[("long.rs", "a table")]).is_empty());
    }

    #[test]
    fn a_reason_without_a_long_file_is_stale() {
        let tree = Tree::of(&[("short.rs", "//! x\n")]);
        let allowed = [("short.rs", "a table"), ("gone.rs", "a table")];
        assert_eq!(files(&tree, &allowed).len(), 2);
    }

    #[test]
    fn long_functions_are_found_where_they_begin() {
        let fits = format!("fn fits() {{\n{}}}\n", "    x();\n".repeat(FUNCTION_LINES - 2));
        let long = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(FUNCTION_LINES - 1));
        let tree = Tree::of(&[("a.rs", &format!("{fits}{long}"))]);
        let findings = functions(&tree);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, FUNCTION_LINES + 1);
    }
}
