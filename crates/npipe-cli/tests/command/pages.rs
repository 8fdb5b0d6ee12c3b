//! `completions` and `man`: made from the definition of the command line, and complete.

use std::fs;

use crate::Root;

/// The commands that people use, from the help itself.
fn commands(root: &Root) -> Vec<String> {
    let help = root.run(&["help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let (commands, _) = commands.split_once("\n\n").expect("its end");
    commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The long options of a command, from its help.
fn options(root: &Root, command: &str) -> Vec<String> {
    let help = root.run(&[command, "--help"]).stdout;
    let (_, options) = help.split_once("Options:\n").expect("a list of options");
    options
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix("--")
                .or_else(|| line.trim_start().split(", --").nth(1))
        })
        .filter_map(|rest| rest.split([' ', ',']).next())
        .filter(|name| !name.is_empty())
        .map(|name| format!("--{name}"))
        .collect()
}

/// Every command and every option can be completed, in each shell.
#[test]
fn completions_have_everything() {
    let root = Root::new();
    let commands = commands(&root);
    assert!(commands.len() >= 14, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = root.run(&["completions", shell]).stdout;
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
            for option in options(&root, command) {
                // fish writes them without the dashes.
                let bare = option.trim_start_matches('-');
                assert!(script.contains(bare), "{shell}: {command} {option}");
            }
        }
    }
    assert_eq!(root.run(&["completions", "csh"]).code, Some(2));
}

/// A shell takes the script, and completes by it.
#[test]
fn bash_completes_by_it() {
    let root = Root::new();
    let script = root.path().join("npipe.bash");
    fs::write(&script, root.run(&["completions", "bash"]).stdout).expect("a file");
    let line = "source \"$1\"; COMP_WORDS=(npipe rel); COMP_CWORD=1; _npipe npipe rel npipe; echo \"${COMPREPLY[@]}\"";
    let mut bash = std::process::Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", line, "bash"]).arg(&script);
    let output = bash.output().expect("bash");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "relay");
}

/// A page for each command, with every option, every example and the exit codes.
#[test]
fn manual_pages_have_everything() {
    let root = Root::new();
    let directory = root.path().join("man1");
    let ended = root.run(&["man", "--directory", &directory.display().to_string()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    // In roff a dash is written with a backslash.
    let page = |name: &str| {
        let page = fs::read_to_string(directory.join(format!("{name}.1")));
        page.unwrap_or_else(|error| panic!("{name}: {error}"))
            .replace("\\-", "-")
    };
    let main = page("npipe");
    assert!(
        main.contains(".SH EXIT STATUS") && main.contains("130  interrupted"),
        "{main}"
    );
    let commands = commands(&root);
    for command in &commands {
        assert!(main.contains(&format!("npipe-{command}(1)")), "{command}");
        let page = page(&format!("npipe-{command}"));
        assert!(
            page.contains(&format!(".SH SYNOPSIS\n\\fBnpipe {command}\\fR")),
            "{page}"
        );
        assert!(page.contains(".SH EXAMPLES"), "{page}");
        assert!(page.contains(&format!("\n  npipe {command}")), "{page}");
        for option in options(&root, command) {
            assert!(page.contains(&option), "{command} {option}");
        }
    }
    assert!(!main.contains("npipe-help(1)"), "there is no such page");
    assert_eq!(fs::read_dir(&directory).expect("the pages").count(), commands.len() + 1);
    assert_eq!(root.run(&["man"]).stdout.replace("\\-", "-"), main);
}
