//! The interpreter on both systems.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use crate::prefix::Wine;
use crate::script::{Script, System};
use crate::support::{Build, Place, repository};

/// How long the interpreter waits for what has to come. It only bounds a run that has failed.
const PATIENCE_MS: u32 = 60_000;

pub(crate) struct Systems {
    linux: Place,
    program: PathBuf,
    wine: Wine,
}

impl Systems {
    pub(crate) fn new() -> Systems {
        let source = repository().join("conformance/differential/actors.c");
        let linux = Place::new();
        let mut program = PathBuf::new();
        let wine = Wine::with(|wine| {
            wine.compile("actors", &source);
            program = linux.compile("actors", std::slice::from_ref(&source), Build::default());
        });
        Systems { linux, program, wine }
    }

    /// What a system prints of each script.
    pub(crate) fn traces(&self, system: System, scripts: &[Script], patience_ms: u32) -> Vec<Vec<String>> {
        let text: String = scripts.iter().map(Script::text).collect();
        let patience = patience_ms.to_string();
        let printed = match system {
            System::Linux => {
                let script = self.linux.source("script", &text);
                let output = self.linux.path("printed");
                let mut command = self.linux.command(&self.program);
                command.arg(script).arg(patience).stdin(Stdio::null());
                let file = File::create(&output).expect("the directory is ours");
                command.stdout(file).status().expect("the program starts");
                String::from_utf8_lossy(&std::fs::read(&output).expect("it was made above")).into_owned()
            }
            System::Wine => {
                std::fs::write(self.wine.path("script"), &text).expect("the directory is ours");
                self.wine.run(&self.wine.program("actors"), &["script", &patience]).0
            }
        };
        Script::traces(scripts, &printed)
    }

    /// What both print of scripts, at the same time.
    pub(crate) fn both(&self, scripts: &[Script]) -> [Vec<Vec<String>>; 2] {
        std::thread::scope(|scope| {
            let wine = scope.spawn(|| self.traces(System::Wine, scripts, PATIENCE_MS));
            let linux = self.traces(System::Linux, scripts, PATIENCE_MS);
            [linux, wine.join().expect("nobody panics inside")]
        })
    }
}
