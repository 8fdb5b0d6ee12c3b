//! The library as it is installed: what pkg-config and CMake say of it is enough to build with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, library, printed, repository};

const PROGRAM: &str = r#"
#include <windows.h>
#include <stdio.h>

int main(void)
{
    HANDLE server = CreateNamedPipe(TEXT("\\\\.\\pipe\\installed"), PIPE_ACCESS_DUPLEX, 0, 1, 64, 64, 0, NULL);
    printf("%d\n", server != INVALID_HANDLE_VALUE);
    return !CloseHandle(server);
}
"#;

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{} is needed: {error}", command.get_program().display()));
    printed(&output)
}

/// A prefix of one's own with the library in it.
fn installed(place: &Place) -> PathBuf {
    let prefix = place.path("prefix");
    let target = library().parent().expect("target/");
    let profile = match library().file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(other) => other,
        None => "release",
    };
    let mut install = Command::new(env!("CARGO"));
    install
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "xtask",
            "--",
            "install",
            "--prefix",
        ])
        .arg(&prefix)
        .args(["--profile", profile])
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", target);
    output(&mut install);
    prefix
}

#[track_caller]
fn runs(place: &Place, program: &Path, libraries: &Path) {
    let mut command = place.command(program);
    assert_eq!(
        output(command.env("LD_LIBRARY_PATH", libraries)),
        "1\n",
        "{}",
        program.display()
    );
}

/// No rule: what is installed can be used, and does not put a `windows.h` among the system's headers.
#[test]
fn what_is_installed_can_be_built_with() {
    let place = Place::new();
    let prefix = installed(&place);
    let libraries = prefix.join("lib");
    let at_top: Vec<_> = fs::read_dir(prefix.join("include"))
        .expect("headers")
        .flatten()
        .collect();
    assert_eq!(at_top.len(), 1);
    let source = place.source("program.c", PROGRAM);

    let mut described = Command::new("pkg-config");
    described.env("PKG_CONFIG_PATH", libraries.join("pkgconfig"));
    let flags = output(described.args(["--cflags", "--libs", "npipe >= 0.1"]));
    let by_pkg_config = place.path("by-pkg-config");
    let mut compile = Command::new("cc");
    compile
        .arg(&source)
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&by_pkg_config);
    output(&mut compile);
    runs(&place, &by_pkg_config, &libraries);

    place.source(
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.10)\nproject(user C)\nfind_package(npipe 0.1 REQUIRED)\n\
         add_executable(shared program.c)\ntarget_link_libraries(shared npipe::npipe)\n\
         add_executable(static program.c)\ntarget_link_libraries(static npipe::static)\n",
    );
    let build = place.path("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(place.path("")).arg("-B").arg(&build);
    output(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    output(Command::new("cmake").arg("--build").arg(&build));
    runs(&place, &build.join("shared"), &libraries);
    runs(&place, &build.join("static"), Path::new("/nowhere"));
}

/// No rule: the version stands in four places.
#[test]
fn the_version_is_everywhere_the_same() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, line) in [
        ("npipe.pc", concat!("Version: ", env!("CARGO_PKG_VERSION"))),
        (
            "cmake/npipeConfigVersion.cmake",
            concat!("set(PACKAGE_VERSION \"", env!("CARGO_PKG_VERSION"), "\")"),
        ),
    ] {
        let text = fs::read_to_string(package.join(file)).expect("it is there");
        assert!(text.lines().any(|other| other == line), "{file}: {line}");
    }
}
