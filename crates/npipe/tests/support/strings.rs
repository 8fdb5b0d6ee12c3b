//! What a process on strings can be told to do with pipes; what concerns the process alone is in [`resources`].
//!
//! Ends are numbered in the order in which they are made, from 0. An error is answered by its Win32 name; `why` tells what
//! else the last one said. Where several ends are made, the answer is the number of the last.
//!
//! | command | answer |
//! |---|---|
//! | `create MODE NAME [first] [shareable] [inbound] [max=N] [quota=BYTES] [rules=RULES] [sddl=SDDL] [dac] [count=N]` | number |
//! | `open ACCESS NAME [message] [qos=FLAGS] [count=N]`, with an access of `rw`, `r`, `w` or `-`, or a mask such as `0x40001` | number |
//! | `take KIND PATH`: an end that is given at that socket | number |
//! | `give END PATH`: brings another handle of an end there | `given` |
//! | `close END`, `drop` for all ends | `closed`, `dropped` |
//! | `list` | names, with their owners and whether they answer |
//! | `info NAME` | owner, server process, number of instances |
//! | `wait NAME` | `ready` |
//! | `VERB END [ARGUMENT]`, see [`on_end`] | what came of it |
//! | `begin VERB END [ARGUMENT]`, `begin-wait NAME`: on a thread, until it waits | `waits` |
//! | `impersonate END` | the level, the user of the thread then, and what opening a pipe that is not there says |
//! | `result` | what came of the call that was begun |
//! | `chat`: each client asks, each server answers | `done` |

use std::path::Path;
use std::sync::Arc;

use npipe::{
    Access, AccessRules, ClientOptions, Namespace, PipeClient, PipeMode, PipeServer, PipeStream, Result,
    SecurityInformation, ServerOptions,
};

use super::{Call, PATIENCE, call, relisten, say, until};
#[cfg(unix)]
use super::{error, passing, resources};

/// What a client says to begin with, and what its server answers.
const QUESTION: &[u8] = b"question";
const ANSWER: &[u8] = b"answer";

/// A word that only one test program knows, and what comes of it.
pub(crate) type Command = (&'static str, fn(&Path) -> String);

/// Does as it is told until nobody tells it anything.
pub(crate) fn obey(root: &Path, more: &[Command]) {
    let mut strings = Strings {
        root,
        ends: Vec::new(),
        begun: None,
    };
    let mut why = String::new();
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let known = more.iter().find(|(word, _)| words == [*word]);
        let outcome = match known {
            Some((_, act)) => Ok(act(root)),
            None if words == ["why"] => Ok(why.clone()),
            None => strings.obey(&words),
        };
        say(&outcome.unwrap_or_else(|error| {
            why = error.detail().unwrap_or_default().to_owned();
            error.status().win32_name().to_owned()
        }));
    }
}

enum Held {
    Server(PipeServer),
    Client(PipeClient),
}

impl Held {
    fn stream(&self) -> &PipeStream {
        match self {
            Held::Server(server) => server,
            Held::Client(client) => client,
        }
    }
}

struct Strings<'a> {
    root: &'a Path,
    /// Those that are closed leave their number.
    ends: Vec<Option<Arc<Held>>>,
    begun: Option<Call<Result<String>>>,
}

impl Strings<'_> {
    fn obey(&mut self, words: &[&str]) -> Result<String> {
        match *words {
            ["create", mode, name, ref more @ ..] => self.create(mode, name, more),
            ["open", access, name, ref more @ ..] => self.open(access, name, more),
            #[cfg(unix)]
            ["take", kind, path] => self.take(kind, path),
            #[cfg(unix)]
            ["give", end, path] => {
                passing::bring(path, &raw(&self.end(end))?);
                Ok("given".to_owned())
            }
            #[cfg(unix)]
            ["impersonate", end] => self.impersonate(end),
            ["close", end] => {
                self.ends[number(end)] = None;
                Ok("closed".to_owned())
            }
            ["drop"] => {
                self.ends.clear();
                Ok("dropped".to_owned())
            }
            #[cfg(unix)]
            ["list"] => self.list(),
            #[cfg(unix)]
            ["info", name] => {
                let details = self.namespace()?.info(name)?;
                let pid = details.server_pid.unwrap_or(0);
                Ok(format!("{} {pid} {}", details.owner_uid, details.instance_count))
            }
            ["wait", name] => wait(&self.namespace()?, name),
            ["begin-wait", name] => {
                let (namespace, name) = (self.namespace()?, name.to_owned());
                self.begin(move || wait(&namespace, &name))
            }
            ["begin", verb, end, ref argument @ ..] => {
                let (end, verb) = (self.end(end), verb.to_owned());
                let argument = argument.first().copied().unwrap_or_default().to_owned();
                self.begin(move || on_end(&end, &verb, &argument))
            }
            ["result"] => self.begun.take().expect("a call was begun").end(),
            ["chat"] => self.chat(),
            _ => match (of_process(words), words) {
                (Some(answer), _) => Ok(answer),
                (None, [verb, end]) => on_end(&self.end(end), verb, ""),
                (None, [verb, end, argument]) => on_end(&self.end(end), verb, argument),
                (None, other) => panic!("no command: {other:?}"),
            },
        }
    }

    fn create(&mut self, mode: &str, name: &str, more: &[&str]) -> Result<String> {
        let mut options = ServerOptions::new();
        options.root(self.root).pipe_mode(mode_of(mode));
        let mut count = 1;
        for option in more {
            match option.split_once('=').unwrap_or((option, "")) {
                ("first", _) => options.first_pipe_instance(true),
                ("shareable", _) => options.shareable(true),
                ("inbound", _) => options.access_outbound(false),
                ("max", most) => options.max_instances(number(most)),
                ("quota", bytes) => {
                    let quota_bytes = number(bytes) as u32;
                    options.out_buffer_size(quota_bytes).in_buffer_size(quota_bytes)
                }
                ("sddl", text) => options.security_descriptor(text.parse().expect("SDDL")),
                ("dac", _) => options.write_dac(true),
                ("rules", rules) => options.access_rules(rules_of(rules)),
                ("count", many) => {
                    count = number(many);
                    &mut options
                }
                unknown => panic!("no option: {unknown:?}"),
            };
        }
        self.make(count, || options.create(name).map(Held::Server))
    }

    fn open(&mut self, access: &str, name: &str, more: &[&str]) -> Result<String> {
        let mut options = ClientOptions::new();
        options.root(self.root);
        match access.strip_prefix("0x") {
            Some(mask) => options.access(Access::from_win32(u32::from_str_radix(mask, 16).expect("a mask"))),
            None => options.read(access.contains('r')).write(access.contains('w')),
        };
        let mut count = 1;
        for option in more {
            match option.split_once('=').unwrap_or((option, "")) {
                ("message", _) => drop(options.pipe_mode(PipeMode::Message)),
                ("qos", flags) => {
                    options.security_qos_flags(u32::from_str_radix(flags, 16).expect("hexadecimal"));
                }
                ("count", many) => count = number(many),
                unknown => panic!("no option: {unknown:?}"),
            }
        }
        self.make(count, || options.open(name).map(Held::Client))
    }

    #[cfg(unix)]
    fn impersonate(&self, end: &str) -> Result<String> {
        let end = self.end(end);
        let Held::Server(server) = &*end else {
            panic!("a client's end");
        };
        let client = server.impersonate_client()?;
        let uid = rustix::process::geteuid().as_raw();
        let opened = ClientOptions::new().root(self.root).open(r"\\.\pipe\nowhere");
        Ok(format!("{:?} {uid} {}", client.level(), error(opened)))
    }

    #[cfg(unix)]
    fn take(&mut self, kind: &str, path: &str) -> Result<String> {
        let raw = passing::fetch(path);
        self.ends.push(Some(Arc::new(match kind {
            "server" => Held::Server(PipeServer::from_raw(raw)?),
            _ => Held::Client(PipeClient::from_raw(raw)?),
        })));
        Ok((self.ends.len() - 1).to_string())
    }

    /// Makes ends until there are so many more; the answer is the number of the last.
    fn make(&mut self, count: usize, make: impl Fn() -> Result<Held>) -> Result<String> {
        for _ in 0..count {
            self.ends.push(Some(Arc::new(make()?)));
        }
        Ok((self.ends.len() - 1).to_string())
    }

    /// Answers when the call waits.
    fn begin(&mut self, act: impl FnOnce() -> Result<String> + Send + 'static) -> Result<String> {
        self.begun = Some(call(act).blocked());
        Ok("waits".to_owned())
    }

    fn end(&self, end: &str) -> Arc<Held> {
        self.ends[number(end)].clone().expect("an end that is open")
    }

    fn namespace(&self) -> Result<Namespace> {
        Namespace::at(self.root)
    }

    /// Each client asks; each server answers, and each client hears it.
    fn chat(&self) -> Result<String> {
        let mut buffer = [0; 16];
        for end in self.ends.iter().flatten() {
            match &**end {
                Held::Client(client) => drop(client.write(QUESTION)?),
                Held::Server(server) => {
                    let count = server.read(&mut buffer)?;
                    assert_eq!(&buffer[..count], QUESTION);
                    server.write(ANSWER)?;
                }
            }
        }
        for end in self.ends.iter().flatten() {
            if let Held::Client(client) = &**end {
                let count = client.read(&mut buffer)?;
                assert_eq!(&buffer[..count], ANSWER);
            }
        }
        Ok("done".to_owned())
    }

    #[cfg(unix)]
    fn list(&self) -> Result<String> {
        let entries = self.namespace()?.list()?;
        let shown = entries.iter().map(|entry| {
            let state = if entry.answering { "answers" } else { "is silent" };
            format!("{} of {} {state}", entry.name, entry.owner_uid)
        });
        Ok(shown.collect::<Vec<String>>().join(", "))
    }
}

/// What concerns the process alone.
#[cfg(unix)]
fn of_process(words: &[&str]) -> Option<String> {
    resources::obey(words)
}

#[cfg(windows)]
fn of_process(_: &[&str]) -> Option<String> {
    None
}

/// Another handle, to be passed on.
#[cfg(unix)]
fn raw(end: &Held) -> Result<npipe::RawEnd> {
    match end {
        Held::Server(server) => server.try_clone()?.into_raw(),
        Held::Client(client) => client.try_clone()?.into_raw(),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn mode_of(word: &str) -> PipeMode {
    match word {
        "byte" => PipeMode::Byte,
        "message" => PipeMode::Message,
        other => panic!("no mode: {other:?}"),
    }
}

/// Access rules: a mode, then users and groups, as in `600,u1000,g100`.
fn rules_of(text: &str) -> AccessRules {
    let mut words = text.split(',');
    let mode = u32::from_str_radix(words.next().expect("a mode"), 8).expect("octal");
    let rules = AccessRules::from_mode(mode).expect("reading and writing");
    words.fold(rules, |rules, word| match word.split_at(1) {
        ("u", uid) => rules.allow_user(number(uid) as u32),
        ("g", gid) => rules.allow_group(number(gid) as u32),
        other => panic!("neither a user nor a group: {other:?}"),
    })
}

fn wait(namespace: &Namespace, name: &str) -> Result<String> {
    namespace.wait(name, Some(PATIENCE)).map(|()| "ready".to_owned())
}

/// What is done with one end. `fill` writes so many bytes at once, `ones` so many messages of one byte; `length` reads and
/// tells how much, `more` marks what has more with a plus; `bereft` answers when the peer is known to be gone.
fn on_end(end: &Held, verb: &str, argument: &str) -> Result<String> {
    let stream = end.stream();
    match (verb, end) {
        ("connect", Held::Server(server)) => server.connect().map(|()| "connected".to_owned()),
        ("disconnect", Held::Server(server)) => server.disconnect().map(|()| "disconnected".to_owned()),
        ("relisten", Held::Server(server)) => {
            server.disconnect()?;
            relisten(server);
            Ok("listens".to_owned())
        }
        ("security", _) => stream.security().map(|descriptor| descriptor.to_string()),
        ("set-dacl", _) => {
            let dacl = SecurityInformation::from_win32(4);
            stream.set_security(dacl, &argument.parse().expect("SDDL"))?;
            Ok("set".to_owned())
        }
        ("write", _) => stream.write(argument.as_bytes()).map(|count| count.to_string()),
        ("fill", _) => stream
            .write(&vec![b'x'; number(argument)])
            .map(|count| count.to_string()),
        ("ones", _) => (0..number(argument))
            .try_for_each(|index| stream.write(&[index as u8]).map(drop))
            .map(|()| argument.to_owned()),
        ("read", _) => {
            let mut buffer = vec![0; number(argument)];
            let count = stream.read(&mut buffer)?;
            Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
        }
        ("length", _) => stream
            .read(&mut vec![0; number(argument)])
            .map(|count| count.to_string()),
        ("more", _) => {
            let mut buffer = vec![0; number(argument)];
            let outcome = stream.read_message(&mut buffer)?;
            let text = String::from_utf8_lossy(&buffer[..outcome.bytes]).into_owned();
            Ok(if outcome.more { format!("{text}+") } else { text })
        }
        ("flush", _) => stream.flush().map(|()| "flushed".to_owned()),
        ("cancel", _) => stream.cancel().map(|()| "cancelled".to_owned()),
        ("mode", _) => {
            let (mode, nowait) = argument.split_once(',').unwrap_or((argument, ""));
            let set = stream.set_state(mode_of(mode), nowait == "nowait");
            set.map(|()| "set".to_owned())
        }
        ("modes", _) => stream
            .state()
            .map(|state| format!("{:?} {}", state.read_mode, state.nowait)),
        ("bereft", _) => {
            until(|| (!stream.is_connected()).then_some(()));
            Ok("bereft".to_owned())
        }
        ("instances", _) => stream.state().map(|state| state.instances.to_string()),
        ("peer", _) => {
            let peer = stream.peer()?;
            #[cfg(unix)]
            let who = format!("{} {}", peer.uid, peer.gid);
            #[cfg(windows)]
            let who = peer.user.unwrap_or_default();
            Ok(format!("{who} {}", peer.pid.unwrap_or(0)))
        }
        _ => panic!("no such thing to do: {verb}"),
    }
}
