//! A process on strings, as its test sees it: each line that it is given is a command, each line that it says an answer.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

#[cfg(unix)]
use super::User;
use super::again::again;
#[cfg(unix)]
use super::again::again_as;
use super::{PATIENCE, Place, Process, said};

/// Another process; killed when it is dropped.
pub(crate) struct Puppet {
    pub(crate) process: Process,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Puppet {
    /// One that obeys (see [`obey`](super::obey)).
    pub(crate) fn start(place: &Place) -> Puppet {
        Puppet::spawn(again("puppet", place.path()))
    }

    /// The same, of another user; only the superuser can do so.
    #[cfg(unix)]
    pub(crate) fn start_as(place: &Place, user: User) -> Puppet {
        Puppet::spawn(again_as(user, "puppet", place.path()))
    }

    /// One that is started by this command, which says how it goes on.
    pub(crate) fn spawn(mut command: Command) -> Puppet {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process(command.spawn().expect("this program can be started again"));
        let commands = process.0.stdin.take().expect("it is piped");
        let output = process.0.stdout.take().expect("it is piped");
        let (answer, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(text) = said(&line) {
                    // A test that failed listens no more.
                    let _ = answer.send(text.to_owned());
                }
            }
        });
        Puppet {
            process,
            commands,
            answers,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Gives a command and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Gives a command that fails: the error's name, and behind it what it says of itself.
    #[track_caller]
    pub(crate) fn ask_why(&mut self, command: &str) -> String {
        let name = self.ask(command);
        format!("{name} {}", self.ask("why"))
    }

    /// Gives a command.
    #[track_caller]
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the process listens");
    }

    /// Waits for the next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("the process answers")
    }

    /// Stops it where it stands, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    /// Lets it go on.
    #[cfg(unix)]
    pub(crate) fn go_on(&self) {
        self.process.go_on();
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Lets it end in order, and waits for that.
    #[track_caller]
    pub(crate) fn end(self) {
        assert!(self.exit().success(), "it fails");
    }

    /// Lets it end, and tells how it did.
    pub(crate) fn exit(mut self) -> ExitStatus {
        drop(self.commands);
        self.process.wait()
    }
}
