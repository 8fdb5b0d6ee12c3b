//! Text of any kind: links that lead somewhere, and nothing that only the
//! machine it was written on knows.

use super::source::Source;
use super::{Finding, Tree};

/// The one registry that a lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Beginnings of absolute paths that mean something on one machine only.
/// Joined here, so that this file may pass.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        findings.extend(machine_paths(file));
        findings.extend(registries(file));
        if file.path.ends_with(".md") {
            findings.extend(links(tree, file));
        }
    }
    findings
}

fn machine_paths(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for &path in MACHINE_PATHS {
            let is_absolute = line.match_indices(path).any(|(at, _)| {
                // `a/home/b` and `https://host/home/` are other things.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-".contains(c))
            });
            if is_absolute {
                let message = format!("{path}… exists on one machine only");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// Where packages come from is everyone's own choice, made outside of the
/// repository; a lock file names the public registry alone.
fn registries(file: &Source) -> Vec<Finding> {
    let is_lock = file.path.ends_with("Cargo.lock");
    let is_config = file.path.ends_with(".cargo/config.toml");
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().map(str::trim).enumerate() {
        let source = line.strip_prefix("source = ").map(|source| source.trim_matches('"'));
        let is_foreign = is_lock && source.is_some_and(|source| source != REGISTRY);
        let is_choice = is_config
            && ["[source", "[registr", "replace-with", "registry ="]
                .iter()
                .any(|setting| line.starts_with(setting));
        if is_foreign || is_choice {
            let message = "a package source other than the public registry";
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
    findings
}

/// `[text](target)` with a target inside the repository.
fn links(tree: &Tree, file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_fence = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect();
        for target in targets(&prose) {
            if !exists(tree, &file.path, target) {
                let message = format!("the link to {target} leads nowhere");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// The targets inside the repository that a line links to, without anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, opening)| {
        let rest = &line[at + opening.len()..];
        let target = rest[..rest.find(')')?].split('#').next()?.trim();
        let is_outside = target.contains("://") || target.starts_with("mailto:");
        (!target.is_empty() && !is_outside).then_some(target)
    })
}

/// Whether `target`, written in the file at `from`, is a file or a directory
/// of the repository.
fn exists(tree: &Tree, from: &str, target: &str) -> bool {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    let directory = format!("{path}/");
    tree.files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        let bad = format!("see {}me/notes and `{}x`\n", MACHINE_PATHS[2], MACHINE_PATHS[0]);
        assert_eq!(machine_paths(&Source::new("a.md", bad)).len(), 2);
        let fine = format!(
            "https://example.org{}x a{}b ~/home\n",
            MACHINE_PATHS[2], MACHINE_PATHS[0]
        );
        assert!(machine_paths(&Source::new("a.md", fine)).is_empty());
    }

    #[test]
    fn a_lock_file_names_the_public_registry_alone() {
        let lock = |source: &str| registries(&Source::new("Cargo.lock", format!("source = \"{source}\"\n")));
        assert!(lock(REGISTRY).is_empty());
        assert_eq!(lock("registry+https://mirror.example/index").len(), 1);
        let config = Source::new(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"x\"\n");
        assert_eq!(registries(&config).len(), 2);
        let alias = Source::new(".cargo/config.toml", "[alias]\nxtask = \"run\"\n");
        assert!(registries(&alias).is_empty());
    }

    #[test]
    fn links_lead_somewhere() {
        let text = "\
[a](docs/b.md#part) [b](docs) [c](https://example.org/x) [d](#here) `[e](gone.md)`
```
[f](gone.md)
```
[g](gone.md) and [h](../out.md)
";
        let tree = Tree::of(&[("README.md", text), ("docs/b.md", "[up](../README.md) [self](b.md)")]);
        let found = check(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|finding| finding.line == 5));
    }
}
