//! `cargo xtask tidy`: the rules of style that a program can hold, so that
//! reviews can be about the rest.
//!
//! A [`Tree`] is the text of every file; a check is a function from it to
//! [`Finding`]s, without any access to the disk, and each has its tests beside
//! it. Checks work on lines and on tokens found in text whose comments and
//! literals are blanked (see [`source`]), not on a syntax tree: a few hundred
//! lines without dependencies that hold for code formatted by rustfmt.
//!
//! | module | what it looks at |
//! |---|---|
//! | [`rules`] | which test holds which rule of `docs/semantics.md` |
//! | [`code`] | what every Rust file must and must not contain |
//! | [`size`] | lengths of files and functions |
//! | [`manifest`] | reasons for dependencies, direction of the arrows |
//! | [`text`] | links, and addresses that only one machine knows |

mod code;
mod manifest;
mod rules;
mod size;
mod source;
mod text;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::workspace;
use source::Source;

/// One violation. Line 0 stands for the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Every text file of the repository, in the order of paths.
#[derive(Default)]
struct Tree {
    files: Vec<Source>,
}

impl Tree {
    /// Reads everything below `root` but version control and build products.
    /// Files that are not UTF-8 are not text and stay out.
    fn read(root: &Path) -> io::Result<Tree> {
        let mut files = Vec::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    if entry.file_name() != ".git" && entry.file_name() != "target" {
                        directories.push(entry.path());
                    }
                } else if kind.is_file() {
                    let path = entry.path();
                    let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                    if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                        files.push(Source::new(&name, text));
                    }
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Tree { files })
    }

    fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(path, text)| Source::new(path, *text)).collect();
        Tree { files }
    }
}

/// Prints what is wrong, writes the table of rules, prints that as well if
/// asked to. True if nothing is wrong.
pub(crate) fn run(show_rules: bool) -> bool {
    let root = workspace::root();
    let tree = match Tree::read(&root) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("xtask: cannot read {}: {error}", root.display());
            return false;
        }
    };
    let coverage = rules::Coverage::of(&tree);
    let mut findings = coverage.findings();
    findings.extend(code::check(&tree));
    findings.extend(size::check(&tree));
    findings.extend(manifest::check(&tree));
    findings.extend(text::check(&tree));
    findings.sort();

    if show_rules {
        print!("{}", coverage.table());
    }
    let written = write_table(&coverage);
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {} files, {}, {} findings",
        tree.files.len(),
        coverage.summary(),
        findings.len()
    );
    written && findings.is_empty()
}

fn write_table(coverage: &rules::Coverage) -> bool {
    let directory = workspace::target_dir().join("tidy");
    let path = directory.join("rules.md");
    let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&path, coverage.table()));
    if let Err(error) = &written {
        eprintln!("xtask: cannot write {}: {error}", path.display());
    }
    written.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_this_repository_is_read_without_build_products() {
        let tree = Tree::read(&workspace::root()).expect("the repository is readable");
        assert!(tree.file("Cargo.toml").is_some());
        assert!(tree.file("xtask/src/tidy.rs").is_some());
        let odd = tree.files.iter().find(|f| f.path.starts_with("target/"));
        assert!(odd.is_none(), "{:?}", odd.map(|f| &f.path));
    }

    #[test]
    fn a_finding_without_a_line_names_the_file_alone() {
        assert_eq!(Finding::new("a.rs", 0, "odd").to_string(), "a.rs: odd");
        assert_eq!(Finding::new("a.rs", 7, "odd").to_string(), "a.rs:7: odd");
    }
}
