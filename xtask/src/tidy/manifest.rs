//! `Cargo.toml`: every dependency from outside has its reason beside it, and
//! the crates of the workspace depend on each other in one direction.

use super::source::Source;
use super::{Finding, Tree};

/// The layers from the bottom to the top. A crate may use what stands below
/// it, never what stands beside or above.
const LAYERS: &[&[&str]] = &[
    &["npipe-core"],
    &["npipe-shm"],
    &["npipe"],
    &["npipe-tokio", "npipe-win32", "npipe-smb", "npipe-inspect"],
    &["npipe-cli", "npipe-fuzz", "npipe-bench-iceoryx2"],
];

/// Stands apart: uses none of the others, is used by none.
const APART: &str = "xtask";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml") {
            let manifest = Manifest::parse(file);
            findings.extend(reasons(file, &manifest));
            findings.extend(arrows(file, &manifest));
        }
    }
    findings
}

/// What the checks need of a manifest.
#[derive(Default)]
struct Manifest {
    /// None for the workspace's own.
    package: Option<String>,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    line: usize,
    /// A comment stands on its line or directly above.
    has_comment: bool,
    /// `workspace = true`: the workspace's manifest has the reason.
    is_inherited: bool,
    /// Stands in `[workspace.dependencies]`, which is a list of versions and
    /// no use.
    is_offer: bool,
}

impl Manifest {
    fn parse(file: &Source) -> Manifest {
        let mut manifest = Manifest::default();
        let mut section = String::new();
        let mut depth = 0_i32;
        let mut above = "";
        for (index, line) in file.text.lines().map(str::trim).enumerate() {
            let (content, comment) = split_comment(line);
            let has_comment = !comment.is_empty() || above.starts_with('#');
            above = line;
            if depth == 0 && content.starts_with('[') {
                section = content.trim_matches(['[', ']', ' ']).to_owned();
                // `[dependencies.name]` is a dependency by itself.
                let parent = section.rsplit_once('.').filter(|(parent, _)| is_list(parent));
                if let Some((_, name)) = parent {
                    manifest.add(name, "", &section, index + 1, has_comment);
                }
                continue;
            }
            let entry = content.split_once('=').filter(|_| depth == 0);
            if let Some((key, value)) = entry {
                let key = key.trim();
                if section == "package" && key == "name" {
                    manifest.package = Some(value.trim().trim_matches('"').to_owned());
                } else if is_list(&section) {
                    manifest.add(key, value, &section, index + 1, has_comment);
                }
            }
            depth += brackets(content);
        }
        manifest
    }

    /// `key` may be `name` or `name.workspace`.
    fn add(&mut self, key: &str, value: &str, section: &str, line: usize, has_comment: bool) {
        let (name, attribute) = key.split_once('.').unwrap_or((key, ""));
        let value = value.replace(' ', "");
        self.dependencies.push(Dependency {
            name: name.trim_matches('"').to_owned(),
            line,
            has_comment,
            is_inherited: attribute == "workspace" || value.contains("workspace=true"),
            is_offer: section.starts_with("workspace."),
        });
    }
}

/// Whether the entries of a section are dependencies: `dependencies`,
/// `dev-dependencies`, `target.'cfg(unix)'.build-dependencies`, …
fn is_list(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or(section);
    matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
}

/// A line up to its comment, and the comment.
fn split_comment(line: &str) -> (&str, &str) {
    let mut in_string = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => in_string = !in_string,
            '#' if !in_string => return (line[..at].trim_end(), &line[at..]),
            _ => {}
        }
    }
    (line, "")
}

/// How many more brackets a line opens than it closes, outside of strings.
fn brackets(content: &str) -> i32 {
    let outside = content.split('"').step_by(2).flat_map(str::chars);
    outside.fold(0, |depth, c| match c {
        '[' | '{' => depth + 1,
        ']' | '}' => depth - 1,
        _ => depth,
    })
}

/// The height of a crate of this workspace.
fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn reasons(file: &Source, manifest: &Manifest) -> Vec<Finding> {
    let unexplained = manifest.dependencies.iter().filter(|dependency| {
        let is_internal = layer(&dependency.name).is_some();
        !dependency.has_comment && !dependency.is_inherited && !is_internal
    });
    unexplained
        .map(|dependency| {
            let message = format!("{}: why? a comment on the line or above says it", dependency.name);
            Finding::new(&file.path, dependency.line, message)
        })
        .collect()
}

fn arrows(file: &Source, manifest: &Manifest) -> Vec<Finding> {
    let Some(package) = manifest.package.as_deref() else {
        return Vec::new();
    };
    let own = layer(package);
    if own.is_none() && package != APART {
        let message = format!("{package} has no place among the layers (xtask/src/tidy/manifest.rs)");
        return vec![Finding::new(&file.path, 0, message)];
    }
    let mut findings = Vec::new();
    for dependency in manifest.dependencies.iter().filter(|d| !d.is_offer) {
        let is_allowed = match layer(&dependency.name) {
            Some(theirs) => own.is_some_and(|own| theirs < own),
            None => dependency.name != APART,
        };
        if !is_allowed {
            let message = format!("{package} must not depend on {}", dependency.name);
            findings.push(Finding::new(&file.path, dependency.line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/x/Cargo.toml", text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_has_its_reason_beside_it() {
        let text = "\
[package]
name = \"npipe-shm\"
[dependencies]
npipe-core.workspace = true
rustix = { version = \"1\" } # system calls without unsafe code
# Interleavings.
loom = \"0.7\"
shared.workspace = true
sha2 = \"0.10\"
";
        let found = findings(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/x/Cargo.toml:9: sha2"), "{found:?}");
    }

    #[test]
    fn every_form_of_dependency_is_seen() {
        let text = "\
[package]
name = \"npipe-shm\"
[target.'cfg(loom)'.dev-dependencies]
loom = \"0.7\"
[dependencies.sha2]
version = \"0.10\"
[build-dependencies]
rustix = { version = \"1\", features = [
    \"fs\",
] }
[features]
default = []
";
        assert_eq!(findings(text).len(), 3, "{:?}", findings(text));
    }

    #[test]
    fn the_workspace_explains_what_it_offers() {
        let text = "[workspace.dependencies]\nnpipe = { path = \"crates/npipe\" }\nsha2 = \"0.10\"\n";
        assert_eq!(findings(text).len(), 1);
    }

    #[test]
    fn arrows_point_down() {
        let uses = |package: &str, section: &str, used: &str| {
            findings(&format!(
                "[package]\nname = \"{package}\"\n[{section}]\n{used}.workspace = true\n"
            ))
        };
        assert!(uses("npipe-cli", "dependencies", "npipe").is_empty());
        assert!(uses("npipe", "dependencies", "npipe-core").is_empty());
        assert_eq!(uses("npipe-core", "dependencies", "npipe-shm").len(), 1);
        assert_eq!(uses("npipe-core", "dev-dependencies", "npipe").len(), 1);
        assert_eq!(uses("npipe-tokio", "dependencies", "npipe-win32").len(), 1);
        assert_eq!(uses("xtask", "dependencies", "npipe-core").len(), 1);
        assert_eq!(uses("npipe", "dev-dependencies", "xtask").len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_asked_for_one() {
        assert_eq!(findings("[package]\nname = \"npipe-new\"\n").len(), 1);
    }

    #[test]
    fn a_comment_begins_outside_of_strings() {
        assert_eq!(split_comment("a = \"#1\" # why"), ("a = \"#1\"", "# why"));
        assert_eq!(split_comment("a = \"#1\""), ("a = \"#1\"", ""));
    }
}
