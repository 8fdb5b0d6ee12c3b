//! The headers declare what the library exports, and GetProcAddress finds all of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{Build, Place, include};

/// The functions that the sources define for C.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("sources are texts");
            for block in text.split("crate::export").skip(1) {
                let block = &block[..block.find("\n}\n").unwrap_or(block.len())];
                let functions = block.lines().filter_map(|line| line.strip_prefix("    fn "));
                names.extend(functions.map(|line| line.split('(').next().unwrap_or_default().to_owned()));
            }
        }
    }
    names
}

/// The functions that the headers declare.
fn declared() -> BTreeSet<String> {
    let headers = [include(), include().join("npipe")];
    let entries = headers
        .iter()
        .flat_map(|directory| fs::read_dir(directory).expect("the headers are there"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let texts = paths.filter(|path| path.is_file()).map(fs::read_to_string);
    let text: String = texts.map(|text| text.expect("headers are texts")).collect();
    let mut names = BTreeSet::new();
    for line in text.lines() {
        // Pointers to functions have a parenthesis before.
        let Some((before, after)) = line.split_once("WINAPI ") else {
            continue;
        };
        if !before.contains('(') {
            names.insert(after.split('(').next().unwrap_or_default().to_owned());
        }
    }
    names
}

#[test]
fn what_is_declared_is_exported() {
    assert_eq!(declared(), exported());
    assert!(exported().len() > 100);
}

/// Every header can be included alone, in C and in C++, and without a word from the compiler.
#[test]
fn headers_stand_alone() {
    let place = Place::new();
    for entry in fs::read_dir(include()).expect("the headers are there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let header = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = format!("#include <{header}>\nint main(void) {{ return 0; }}\n");
        // Those of the C++ library have no extension.
        let languages = [("alone.c", "-std=c11"), ("alone.cpp", "-std=c++11")];
        for (name, standard) in languages.into_iter().skip(usize::from(path.extension().is_none())) {
            let source = place.source(name, &text);
            for unicode in [&["-DUNICODE", "-D_UNICODE"][..], &[]] {
                let mut flags = vec![standard, "-Wall", "-Wextra", "-Werror", "-pedantic-errors"];
                flags.extend(unicode);
                place.object(
                    "alone.o",
                    &source,
                    Build {
                        flags: &flags,
                        strictly: true,
                        ..Build::default()
                    },
                );
            }
        }
    }
}

#[test]
fn every_function_is_found_by_its_name() {
    let place = Place::new();
    let mut text = String::from(
        "#include <windows.h>\n#include <aclapi.h>\n#include <sddl.h>\n#include <stdio.h>\nint main(void)\n{\n    int missing = 0;\n",
    );
    for name in exported() {
        text += &format!(
            "    if ((void *)GetProcAddress(GetModuleHandleA(\"kernel32.dll\"), \"{name}\") != (void *){name})\n        \
             missing++, printf(\"{name}\\n\");\n"
        );
    }
    text += "    if (GetProcAddress(GetModuleHandleA(NULL), \"NoSuchFunction\")) missing++;\n    \
             if (GetLastError() != ERROR_PROC_NOT_FOUND) missing++;\n    return missing != 0;\n}\n";
    let source = place.source("names.c", &text);
    let program = place.compile("lookups", &[source], Build::default());
    assert_eq!(place.run(&program, &[]), "");
}
