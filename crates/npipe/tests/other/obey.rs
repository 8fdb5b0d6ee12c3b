//! What another process can be told to do. Ends are numbered in the order in which they are made, from 0. An error is
//! answered by its Win32 name, with the detail behind it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use npipe::{AccessRules, ClientOptions, Namespace, PipeClient, PipeServer, PipeStream, Result, ServerOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::{MARK, until};

/// What a client says to begin with, and what its server answers.
const QUESTION: &[u8] = b"question";
const ANSWER: &[u8] = b"answer";

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

struct Obedient {
    root: PathBuf,
    ends: Vec<Held>,
}

/// Obeys lines until there are no more.
pub(super) fn obey(root: &Path) {
    let mut obedient = Obedient {
        root: root.to_owned(),
        ends: Vec::new(),
    };
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match obedient.obey(&words) {
            Ok(answer) => answer,
            Err(error) => format!("{} {}", error.status().win32_name(), error.detail().unwrap_or_default()),
        };
        if writeln!(std::io::stdout().lock(), "{MARK}{}", answer.trim_end()).is_err() {
            // Nobody is left to be told.
            return;
        }
    }
}

impl Obedient {
    fn obey(&mut self, words: &[&str]) -> Result<String> {
        match *words {
            ["root", path] => self.root = path.into(),
            ["create", count, rules, name] => {
                let mut options = ServerOptions::new();
                options.root(&self.root).access_rules(rules_of(rules));
                for _ in 0..number(count) {
                    self.ends.push(Held::Server(options.create(name)?));
                }
                return Ok(self.ends.len().to_string());
            }
            ["open", count, access, name] => {
                let mut options = ClientOptions::new();
                options.root(&self.root);
                options.read(access.contains('r')).write(access.contains('w'));
                for _ in 0..number(count) {
                    self.ends.push(Held::Client(options.open(name)?));
                }
                return Ok(self.ends.len().to_string());
            }
            ["drop"] => self.ends.clear(),
            ["chat"] => self.chat()?,
            ["list"] => return self.list(),
            ["wait", name] => self.namespace()?.wait(name, Some(Duration::from_secs(10)))?,
            ["info", name] => {
                let details = self.namespace()?.info(name)?;
                let pid = details.server_pid.unwrap_or(0);
                return Ok(format!("{} {pid} {}", details.owner_uid, details.instance_count));
            }
            ["peer", end] => {
                let peer = self.end(end).peer()?;
                return Ok(format!("{} {} {}", peer.uid, peer.gid, peer.pid.unwrap_or(0)));
            }
            ["write", end, text] => return self.end(end).write(text.as_bytes()).map(|count| count.to_string()),
            ["bulk", end, bytes] => {
                let data = vec![b'x'; number(bytes)];
                return self.end(end).write(&data).map(|count| count.to_string());
            }
            ["read", end, bytes] => {
                let mut buffer = vec![0; number(bytes)];
                let count = self.end(end).read(&mut buffer)?;
                return Ok(String::from_utf8_lossy(&buffer[..count]).into_owned());
            }
            ref other => return Ok(about_the_process(other)),
        }
        Ok("done".to_owned())
    }

    fn end(&self, place: &str) -> &PipeStream {
        self.ends[number(place)].stream()
    }

    fn namespace(&self) -> Result<Namespace> {
        Namespace::at(&self.root)
    }

    /// Each client asks; each server answers, and each client hears it.
    fn chat(&self) -> Result<()> {
        let mut buffer = [0; 16];
        for end in &self.ends {
            match end {
                Held::Client(client) => drop(client.write(QUESTION)?),
                Held::Server(server) => {
                    let count = server.read(&mut buffer)?;
                    assert_eq!(&buffer[..count], QUESTION);
                    server.write(ANSWER)?;
                }
            }
        }
        for end in &self.ends {
            if let Held::Client(client) = end {
                let count = client.read(&mut buffer)?;
                assert_eq!(&buffer[..count], ANSWER);
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<String> {
        let entries = self.namespace()?.list()?;
        let shown = entries.iter().map(|entry| {
            let state = if entry.answering { "answers" } else { "is silent" };
            format!("{} of {} {state}", entry.name, entry.owner_uid)
        });
        Ok(shown.collect::<Vec<String>>().join(", "))
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

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// What concerns the process alone.
fn about_the_process(words: &[&str]) -> String {
    match *words {
        // Leaves so many descriptors to be had.
        ["descriptors", spare] => {
            let limit = free_descriptors().nth(number(spare)).expect("an end");
            set_limit(Resource::Nofile, Some(limit));
        }
        ["room", descriptors] => {
            let wanted = number(descriptors) as u64;
            let limit = getrlimit(Resource::Nofile);
            let all = Rlimit {
                current: Some(wanted),
                // The superuser may go beyond.
                maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
            };
            if limit.current.is_some_and(|current| current < wanted) && setrlimit(Resource::Nofile, all).is_err() {
                return "none".to_owned();
            }
        }
        // Leaves so much address space to be had.
        ["address_space", spare] => set_limit(Resource::As, Some(address_space() + number(spare) as u64)),
        ["threads", most] => set_limit(Resource::Nproc, Some(number(most) as u64)),
        ["unlimited", "descriptors"] => set_limit(Resource::Nofile, getrlimit(Resource::Nofile).maximum),
        ["unlimited", "address_space"] => set_limit(Resource::As, getrlimit(Resource::As).maximum),
        ["unlimited", "threads"] => set_limit(Resource::Nproc, getrlimit(Resource::Nproc).maximum),
        ["cpu_ms"] => {
            let time = clock_gettime(ClockId::ProcessCPUTime);
            return (time.tv_sec * 1000 + time.tv_nsec / 1_000_000).to_string();
        }
        ["pss"] => return pss_bytes().to_string(),
        ["count_descriptors"] => return count_descriptors().to_string(),
        // Answers when there are so few.
        ["until_at_most", count] => until(|| (count_descriptors() <= number(count)).then_some(())),
        ["maps"] => return read("/proc/self/maps").lines().count().to_string(),
        _ => panic!("no command: {words:?}"),
    }
    "done".to_owned()
}

fn set_limit(resource: Resource, current: Option<u64>) {
    let limit = Rlimit {
        current,
        ..getrlimit(resource)
    };
    setrlimit(resource, limit).expect("less than allowed");
}

/// Looked at one by one, since a listing would take one itself.
fn free_descriptors() -> impl Iterator<Item = u64> {
    (0..).filter(|number| std::fs::read_link(format!("/proc/self/fd/{number}")).is_err())
}

fn count_descriptors() -> usize {
    // The listing has one of its own.
    std::fs::read_dir("/proc/self/fd").expect("a mounted /proc").count() - 1
}

/// This process' share of memory, in which what several processes share counts in parts.
fn pss_bytes() -> u64 {
    1024 * field("/proc/self/smaps_rollup", "Pss:")
}

fn address_space() -> u64 {
    1024 * field("/proc/self/status", "VmSize:")
}

/// In KiB.
fn field(file: &str, name: &str) -> u64 {
    let text = read(file);
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
    value.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).expect("a mounted /proc")
}
