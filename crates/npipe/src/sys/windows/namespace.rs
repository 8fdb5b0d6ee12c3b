//! Where pipes are found: the system has one place for all, and a part of it is a directory's by a prefix of the names.
//!
//! The prefix is made of the directory's path, so whoever gives the same path meets there, and nobody else does. The path
//! itself is never touched.

use std::path::{Path, PathBuf};

use npipe_core::{PipeName, Status};

use crate::sys::SysResult;

/// Names the part of the system's namespace that is used unless a program says otherwise.
const VARIABLE: &str = "NPIPE_ROOT";

/// A part of the system's namespace, or all of it.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    path: PathBuf,
    /// What stands before each name.
    prefix: Vec<u16>,
}

impl Root {
    /// All of it, unless the environment names a directory.
    pub(crate) fn find() -> SysResult<Root> {
        match std::env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => Root::at(Path::new(&path)),
            _ => Ok(Root {
                path: PathBuf::from(r"\\.\pipe\"),
                prefix: Vec::new(),
            }),
        }
    }

    /// The part that is this directory's.
    pub(crate) fn at(path: &Path) -> SysResult<Root> {
        let path = std::path::absolute(path).map_err(|error| crate::sys::SysError::new("find", error).on(path))?;
        // Of names, too, case means nothing.
        let folded = path.to_string_lossy().to_lowercase();
        let key = stable_hash(folded.trim_end_matches(['\\', '/']).as_bytes());
        Ok(Root {
            path,
            prefix: format!("npipe-{key:016x}-").encode_utf16().collect(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the system calls a pipe of this namespace.
    pub(crate) fn system_name(&self, name: &PipeName) -> Result<PipeName, Status> {
        if self.prefix.is_empty() {
            return Ok(name.clone());
        }
        PipeName::from_units(&[&self.prefix, name.units()].concat())
    }

    /// What a pipe of the system is called in this namespace; `None`: it is in another.
    pub(crate) fn own_name(&self, system_name: &[u16]) -> Option<PipeName> {
        PipeName::from_units(system_name.strip_prefix(self.prefix.as_slice())?).ok()
    }
}

/// FNV-1a, the same in all versions and processes.
fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No rule: Windows has one namespace.
    #[test]
    fn one_directory_is_one_namespace() {
        let root = |path: &str| Root::at(Path::new(path)).unwrap();
        let name = PipeName::from_typed(b"room").unwrap();
        let (here, there) = (root(r"C:\somewhere\pipes"), root(r"C:\elsewhere"));
        let ours = here.system_name(&name).unwrap();
        assert_eq!(root(r"c:\Somewhere\PIPES\").system_name(&name), Ok(ours.clone()));
        assert_eq!(here.own_name(ours.units()), Some(name.clone()));
        assert_eq!(there.own_name(ours.units()), None);
        assert_ne!(there.system_name(&name), Ok(ours));
        let long = PipeName::from_units(&[u16::from(b'x'); 247]).unwrap();
        assert_eq!(here.system_name(&long), Err(Status::ObjectNameInvalid));
    }
}
