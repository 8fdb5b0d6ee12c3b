//! What an end is called: a kind, a colon, and what that kind needs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One end, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Pipe(String),
    PipeListen(String),
    Stdio,
    /// Host and port.
    Tcp(String),
    TcpListen(String),
    Unix(PathBuf),
    UnixListen(PathBuf),
    Seqpacket(PathBuf),
    SeqpacketListen(PathBuf),
    /// For the shell.
    Exec(String),
}

const KINDS: &str = "npipe:NAME, npipe-listen:NAME, stdio:, tcp:HOST:PORT, tcp-listen:[HOST:]PORT, \
                     unix:PATH, unix-listen:PATH, seqpacket:PATH, seqpacket-listen:PATH or exec:CMD";

impl Address {
    pub(crate) fn is_listening(&self) -> bool {
        matches!(
            self,
            Address::PipeListen(_) | Address::TcpListen(_) | Address::UnixListen(_) | Address::SeqpacketListen(_)
        )
    }

    fn parts(&self) -> (&'static str, String) {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        match self {
            Address::Pipe(name) => ("npipe", name.clone()),
            Address::PipeListen(name) => ("npipe-listen", name.clone()),
            Address::Stdio => ("stdio", String::new()),
            Address::Tcp(place) => ("tcp", place.clone()),
            Address::TcpListen(place) => ("tcp-listen", place.clone()),
            Address::Unix(place) => ("unix", path(place)),
            Address::UnixListen(place) => ("unix-listen", path(place)),
            Address::Seqpacket(place) => ("seqpacket", path(place)),
            Address::SeqpacketListen(place) => ("seqpacket-listen", path(place)),
            Address::Exec(command) => ("exec", command.clone()),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if text == "-" {
            return Ok(Address::Stdio);
        }
        let (kind, rest) = text.split_once(':').ok_or_else(|| format!("an end is {KINDS}"))?;
        let port = |place: &str| match place.rsplit_once(':').map_or(place, |(_, port)| port).parse::<u16>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("'{place}' ends with no port: a number up to 65535")),
        };
        if kind != "stdio" && rest.is_empty() {
            return Err(format!("nothing stands behind '{kind}:'; an end is {KINDS}"));
        }
        Ok(match kind {
            "npipe" => Address::Pipe(rest.to_owned()),
            "npipe-listen" => Address::PipeListen(rest.to_owned()),
            "stdio" if rest.is_empty() => Address::Stdio,
            "stdio" => return Err("nothing stands behind 'stdio:'".to_owned()),
            "tcp" => {
                port(rest)?;
                if !rest.contains(':') {
                    return Err(format!("'{rest}' has no host: type tcp:HOST:PORT"));
                }
                Address::Tcp(rest.to_owned())
            }
            "tcp-listen" => {
                port(rest)?;
                let has_host = rest.contains(':');
                Address::TcpListen(if has_host {
                    rest.to_owned()
                } else {
                    format!("localhost:{rest}")
                })
            }
            "unix" => Address::Unix(rest.into()),
            "unix-listen" => Address::UnixListen(rest.into()),
            "seqpacket" => Address::Seqpacket(rest.into()),
            "seqpacket-listen" => Address::SeqpacketListen(rest.into()),
            "exec" => Address::Exec(rest.to_owned()),
            _ => return Err(format!("'{kind}:' is no kind of end; an end is {KINDS}")),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, rest) = self.parts();
        write!(f, "{kind}:{}", crate::target::printable(&rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind, and what is typed instead of one.
    #[test]
    fn ends_have_kinds() {
        let parsed = |text: &str| text.parse::<Address>();
        assert_eq!(parsed("npipe:a:b"), Ok(Address::Pipe("a:b".to_owned())));
        assert_eq!(parsed("-"), Ok(Address::Stdio));
        assert_eq!(
            parsed("tcp-listen:80"),
            Ok(Address::TcpListen("localhost:80".to_owned()))
        );
        assert_eq!(parsed("tcp:[::1]:80"), Ok(Address::Tcp("[::1]:80".to_owned())));
        for text in [
            "npipe-listen:x",
            "unix:/a",
            "unix-listen:/a",
            "seqpacket:/a",
            "exec:cat",
        ] {
            assert_eq!(parsed(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for bad in [
            "",
            "room",
            "npipe:",
            "stdio:x",
            "tcp:80",
            "tcp:host:http",
            "tcp-listen:70000",
            "pty:x",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
