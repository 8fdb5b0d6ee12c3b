//! `cargo xtask install`: puts the C library where compilers, pkg-config and CMake find it.
//!
//! What cargo-c does with the same package, for where that is not at hand. The headers have a directory of their own below
//! `include`, so that no other program takes their `windows.h` for a sign of Windows.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::workspace;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where it is to be found when it is used.
    prefix: PathBuf,
    /// Below which it is put for now, as packagers want it.
    destdir: Option<PathBuf>,
    /// The libraries' directory in the prefix.
    libdir: PathBuf,
    /// Cargo's profile.
    profile: String,
}

impl Options {
    /// # Errors
    /// What makes no sense.
    pub(crate) fn parse(words: &[&str]) -> Result<Options, String> {
        let mut options = Options {
            prefix: "/usr/local".into(),
            destdir: None,
            libdir: "lib".into(),
            profile: "release".into(),
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word {
                "--prefix" => options.prefix = value()?.into(),
                "--destdir" => options.destdir = Some(value()?.into()),
                "--libdir" => options.libdir = value()?.into(),
                "--profile" => options.profile = (*value()?).to_owned(),
                other => return Err(format!("unknown option {other}")),
            }
        }
        if !options.prefix.is_absolute() {
            return Err("--prefix has to be an absolute path".to_owned());
        }
        let inside = options
            .libdir
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err("--libdir has to be a path below the prefix".to_owned());
        }
        Ok(options)
    }

    /// Where a place of the prefix is put.
    fn place(&self, inside: impl AsRef<Path>) -> PathBuf {
        let path = self.prefix.join(inside);
        match &self.destdir {
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(&path)),
            None => path,
        }
    }
}

pub(crate) fn run(options: &Options) -> bool {
    let mut build = workspace::cargo();
    build.args([
        "build",
        "--locked",
        "--package",
        "npipe-win32",
        "--profile",
        &options.profile,
    ]);
    if !workspace::succeeds(&mut build) {
        return false;
    }
    match install(options) {
        Ok(()) => {
            println!("installed below {}", options.place("").display());
            true
        }
        Err((path, error)) => {
            eprintln!("xtask: cannot install {}: {error}", path.display());
            false
        }
    }
}

type Failed = (PathBuf, io::Error);

fn install(options: &Options) -> Result<(), Failed> {
    let package = workspace::root().join("crates/npipe-win32");
    let profile = if options.profile == "dev" {
        "debug"
    } else {
        &options.profile
    };
    let built = workspace::target_dir().join(profile);
    let libdir = options.place(&options.libdir);
    for library in ["libnpipe.so", "libnpipe.a"] {
        copy(&built.join(library), &libdir.join(library))?;
    }
    copy_tree(&package.join("include"), &options.place("include/npipe"))?;
    copy_tree(&package.join("cmake"), &libdir.join("cmake/npipe"))?;
    let described = package.join("npipe.pc");
    let text = fs::read_to_string(&described).map_err(|error| (described, error))?;
    let target = libdir.join("pkgconfig/npipe.pc");
    make_parent(&target)?;
    fs::write(&target, description(&text, options)).map_err(|error| (target, error))
}

/// The description for pkg-config, with the places that were asked for.
fn description(text: &str, options: &Options) -> String {
    let line = |line: &str| {
        if line.starts_with("prefix=") {
            format!("prefix={}\n", options.prefix.display())
        } else if line.starts_with("libdir=") {
            format!("libdir=${{prefix}}/{}\n", options.libdir.display())
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(line).collect()
}

fn make_parent(path: &Path) -> Result<(), Failed> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| (parent.to_owned(), error))
}

/// Puts a file in the place of another one, which programs may have open.
fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    make_parent(to)?;
    let beside = to.with_extension("new");
    fs::copy(from, &beside).map_err(|error| (from.to_owned(), error))?;
    fs::rename(&beside, to).map_err(|error| (to.to_owned(), error))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Failed> {
    let entries = fs::read_dir(from).map_err(|error| (from.to_owned(), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| (from.to_owned(), error))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_or_refused() {
        let options = Options::parse(&["--prefix", "/opt/x", "--destdir", "stage", "--libdir", "lib64"]).unwrap();
        assert_eq!(options.place("include"), Path::new("stage/opt/x/include"));
        assert_eq!(Options::parse(&[]).unwrap().place("lib"), Path::new("/usr/local/lib"));
        for wrong in [
            &["--prefix"][..],
            &["--prefix", "relative"],
            &["--libdir", "/lib"],
            &["--libdir", "../lib"],
            &["--nonsense"],
        ] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_description_names_the_places() {
        let options = Options::parse(&["--prefix", "/opt/x", "--libdir", "lib64"]).unwrap();
        let text = description("prefix=/usr/local\nlibdir=${prefix}/lib\nName: npipe\n", &options);
        assert_eq!(text, "prefix=/opt/x\nlibdir=${prefix}/lib64\nName: npipe\n");
    }
}
