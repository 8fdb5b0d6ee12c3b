//! Which file a program is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::table::VARIABLE;
use crate::failure::{Failure, Outcome};
use crate::files::system_path;
use crate::types::code;

/// What every program has that is linked with the library as a shared one.
const SHARED_LIBRARY: &[u8] = b"libnpipe.so";

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The name itself, and without the ending that programs have on Windows.
fn spellings(name: &[u8]) -> impl Iterator<Item = OsString> {
    let bare = name
        .len()
        .checked_sub(4)
        .filter(|&at| name[at..].eq_ignore_ascii_case(b".exe"));
    let bare = bare.map(|at| OsString::from_vec(name[..at].to_vec()));
    std::iter::once(OsString::from_vec(name.to_vec())).chain(bare)
}

/// Finds a program. A name without a directory is looked for beside the running program, in the current directory, and in
/// the directories of PATH, as Windows does.
pub(super) fn find(name: &[u8], search: bool) -> Option<PathBuf> {
    let path = system_path(OsStr::from_bytes(name));
    let bytes = path.as_bytes();
    let current = std::env::current_dir().ok()?;
    if !search || bytes.contains(&b'/') {
        return spellings(bytes)
            .map(|name| current.join(name))
            .find(|path| is_program(path));
    }
    let own = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    let listed = std::env::var_os("PATH").unwrap_or_default();
    let directories = own.into_iter().chain([current]).chain(std::env::split_paths(&listed));
    directories
        .flat_map(|directory| spellings(bytes).map(move |name| directory.join(name)))
        .find(|path| is_program(path))
}

/// The program of a command line, or that of `application` alone.
///
/// # Errors
/// ERROR_FILE_NOT_FOUND; ERROR_ACCESS_DENIED for a file that is no program.
pub(super) fn of(application: Option<&[u8]>, line: &[u8]) -> Outcome<PathBuf> {
    let candidates = match application {
        Some(name) => vec![name.to_vec()],
        None => super::command_line::programs(line),
    };
    let search = application.is_none();
    let found = candidates.iter().find_map(|name| find(name, search));
    found.ok_or_else(|| {
        let is_there = |name: &Vec<u8>| Path::new(&system_path(OsStr::from_bytes(name))).is_file();
        match candidates.first() {
            Some(name) if is_there(name) => Failure(code::ACCESS_DENIED),
            _ => Failure(code::FILE_NOT_FOUND),
        }
    })
}

/// Whether a program is linked with this library, in either form. It is asked for only where that decides something.
pub(super) fn knows_us(path: &Path) -> bool {
    let Ok(text) = std::fs::read(path) else { return false };
    let has = |needle: &[u8]| text.windows(needle.len()).any(|part| part == needle);
    text.starts_with(b"\x7FELF") && (has(SHARED_LIBRARY) || has(VARIABLE.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_windows_finds_them() {
        let shell = find(b"sh", true).expect("a shell");
        assert_eq!(find(b"sh.exe", true), Some(shell.clone()));
        assert_eq!(find(shell.as_os_str().as_bytes(), false), Some(shell.clone()));
        assert_eq!(
            of(None, b"no-such-program x").err(),
            Some(Failure(code::FILE_NOT_FOUND))
        );
        assert_eq!(
            of(Some(b"sh"), b"").err(),
            Some(Failure(code::FILE_NOT_FOUND)),
            "no search"
        );
        assert!(!knows_us(&shell));
    }
}
