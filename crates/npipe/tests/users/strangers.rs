//! What a stranger finds of somebody else's connection: nothing to open, in either process.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::{ALICE, BOB, CAROL, NAME, Place, Puppet};

/// What there is to open in a process: its descriptors, its mappings, its memory.
fn doors(pid: u32) -> Vec<PathBuf> {
    let inside = |directory: &str| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/{directory}")).expect("we are the superuser");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<PathBuf>>()
    };
    let mut doors = inside("fd");
    doors.extend(inside("map_files"));
    doors.extend(["mem", "maps", "environ"].map(|file| format!("/proc/{pid}/{file}").into()));
    doors
}

/// Whether this is a way to a segment.
fn leads_to_a_segment(door: &PathBuf) -> bool {
    std::fs::read_link(door).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:npipe"))
}

/// No rule: neither the ends' processes nor strangers can be reached into, and a segment has no descriptor to be found.
#[test]
fn a_segment_is_for_its_two_ends() {
    let Some(place) = Place::shared("a_segment_is_for_its_two_ends") else {
        return;
    };
    let (mut server, mut client) = (Puppet::start_as(&place, ALICE), Puppet::start_as(&place, BOB));
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600,u40002")), "0");
    assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
    // So that the server is done with the opening.
    assert_eq!(server.ask(&format!("info {NAME}")), format!("40001 {} 1", server.pid()));
    let both = [(ALICE, server.pid()), (BOB, client.pid())];
    for (owner, pid) in both {
        let doors = doors(pid);
        let segments: Vec<&PathBuf> = doors.iter().filter(|door| leads_to_a_segment(door)).collect();
        assert!(!segments.is_empty(), "it is mapped");
        assert!(
            segments
                .iter()
                .all(|door| door.to_string_lossy().contains("/map_files/")),
            "a descriptor stays behind: {segments:?}"
        );
        for user in [ALICE, BOB, CAROL] {
            if user.uid == owner.uid {
                continue;
            }
            user.act(|| {
                for door in &doors {
                    let opened = std::fs::File::open(door).map_err(|error| error.kind());
                    assert_eq!(
                        opened.err(),
                        Some(ErrorKind::PermissionDenied),
                        "{door:?} by {}",
                        user.uid
                    );
                }
            });
        }
    }
    assert_eq!(client.ask("write 0 secret"), "6");
    assert_eq!(server.ask("read 0 8"), "secret");
}

/// semantics 264: a stranger may ask what there is and wait for it, and gets no further.
#[test]
fn a_stranger_may_ask() {
    let Some(place) = Place::shared("a_stranger_may_ask") else {
        return;
    };
    let (mut server, mut stranger) = (Puppet::start_as(&place, ALICE), Puppet::start_as(&place, CAROL));
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600 count=2")), "1");
    assert_eq!(stranger.ask("list"), "test of 40001 answers");
    assert_eq!(
        stranger.ask(&format!("info {NAME}")),
        format!("40001 {} 2", server.pid())
    );
    assert_eq!(stranger.ask(&format!("wait {NAME}")), "ready");
    assert_eq!(stranger.ask(&format!("open rw {NAME}")), "ERROR_ACCESS_DENIED");
}
