//! A namespace of a test's own, removed when the test ends.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

#[cfg(unix)]
use npipe::PipeName;
use npipe::{ClientOptions, Namespace, PipeClient, PipeMode, PipeServer, ServerOptions};
use tempfile::TempDir;

use super::NAME;
#[cfg(unix)]
use super::has_other_users;

/// A namespace of a test's own.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// For this user alone.
    pub(crate) fn new() -> Place {
        Place {
            directory: TempDir::new().expect("a temporary directory"),
        }
    }

    /// For all users, if there can be others; see [`has_other_users`].
    #[cfg(unix)]
    pub(crate) fn shared(test: &str) -> Option<Place> {
        has_other_users(test).then(|| {
            let place = Place::new();
            std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).expect("it is ours");
            place
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::at(self.path()).expect("a namespace")
    }

    /// For a duplex pipe, with the library's defaults; the server reads as it writes.
    pub(crate) fn server(&self, mode: PipeMode) -> ServerOptions {
        let mut options = ServerOptions::new();
        options.root(self.path()).pipe_mode(mode);
        options
    }

    /// For a duplex byte pipe.
    pub(crate) fn bytes(&self) -> ServerOptions {
        self.server(PipeMode::Byte)
    }

    /// For a duplex message pipe, whose server reads messages.
    pub(crate) fn messages(&self) -> ServerOptions {
        self.server(PipeMode::Message)
    }

    pub(crate) fn client(&self) -> ClientOptions {
        let mut options = ClientOptions::new();
        options.root(self.path());
        options
    }

    /// A client that reads messages.
    #[track_caller]
    pub(crate) fn message_client(&self) -> PipeClient {
        self.client()
            .pipe_mode(PipeMode::Message)
            .open(NAME)
            .expect("an instance listens")
    }

    /// A client that reads and writes bytes.
    #[track_caller]
    pub(crate) fn open(&self) -> PipeClient {
        self.client().open(NAME).expect("an instance listens")
    }

    /// Two connected ends of a byte pipe.
    pub(crate) fn byte_pair(&self) -> (PipeServer, PipeClient) {
        let server = self.bytes().create(NAME).expect("the name is free");
        (server, self.open())
    }

    /// Two connected ends of a message pipe, both reading messages.
    pub(crate) fn message_pair(&self) -> (PipeServer, PipeClient) {
        let server = self.messages().create(NAME).expect("the name is free");
        (server, self.message_client())
    }

    /// The names of the files in it, sorted.
    #[cfg(unix)]
    pub(crate) fn files(&self) -> Vec<String> {
        files(self.path())
    }

    /// The file of a user's entry for [`NAME`]: the socket, or with a suffix what belongs to it.
    #[cfg(unix)]
    pub(crate) fn file(&self, uid: u32, suffix: &str) -> PathBuf {
        let key = PipeName::from_path(NAME.as_bytes()).expect("a name").key();
        self.path()
            .join(format!("{:032x}.{uid}{suffix}", u128::from_be_bytes(key)))
    }
}

/// The names of the files in a directory, sorted.
#[cfg(unix)]
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
