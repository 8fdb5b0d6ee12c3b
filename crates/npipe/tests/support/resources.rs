//! What a process on strings can be told about itself: what it has, and how much it may have.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::{files, until, until_at_rest};

/// Does as it is told, if the words are about that.
pub(super) fn obey(words: &[&str]) -> Option<String> {
    match *words {
        // Leaves so many descriptors to be had.
        ["descriptors", spare] => limit_descriptors(number(spare)),
        ["room", descriptors] => {
            if !make_room(number(descriptors) as u64) {
                return Some("none".to_owned());
            }
        }
        // Leaves so much address space to be had.
        ["address_space", spare] => set_limit(Resource::As, Some(address_space() + number(spare) as u64)),
        ["threads", most] => set_limit(Resource::Nproc, Some(number(most) as u64)),
        ["file_size", most] => set_limit(Resource::Fsize, Some(number(most) as u64)),
        ["unlimited", "file_size"] => unlimit(Resource::Fsize),
        ["unlimited", "descriptors"] => unlimit(Resource::Nofile),
        ["unlimited", "address_space"] => unlimit(Resource::As),
        ["unlimited", "threads"] => unlimit(Resource::Nproc),
        ["cpu_ms"] => {
            let time = clock_gettime(ClockId::ProcessCPUTime);
            return Some((time.tv_sec * 1000 + time.tv_nsec / 1_000_000).to_string());
        }
        ["pss"] => return Some(pss_bytes().to_string()),
        ["count_descriptors"] => return Some(count_descriptors().to_string()),
        // Answers when there are so few.
        ["until_at_most", count] => until(|| (count_descriptors() <= number(count)).then_some(())),
        ["maps"] => return Some(read("/proc/self/maps").lines().count().to_string()),
        _ => return None,
    }
    Some("done".to_owned())
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn limit_descriptors(spare: usize) {
    unlimit(Resource::Nofile);
    // What the library's own thread is doing takes descriptors too.
    until_the_library_rests();
    let limit = free_descriptors().nth(spare).expect("an end");
    set_limit(Resource::Nofile, Some(limit));
}

/// Whether there is room for so many descriptors, or can be made.
fn make_room(descriptors: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: Some(descriptors),
        // The superuser may go beyond.
        maximum: limit.maximum.map(|maximum| maximum.max(descriptors)),
    };
    limit.current.is_none_or(|current| current >= descriptors) || setrlimit(Resource::Nofile, raised).is_ok()
}

fn set_limit(resource: Resource, current: Option<u64>) {
    let limit = Rlimit {
        current,
        ..getrlimit(resource)
    };
    setrlimit(resource, limit).expect("less than allowed");
}

fn unlimit(resource: Resource) {
    set_limit(resource, getrlimit(resource).maximum);
}

/// Waits until the library's own thread has nothing to do.
pub(crate) fn until_the_library_rests() {
    tasks_of_the_library().for_each(until_at_rest);
}

fn tasks_of_the_library() -> impl Iterator<Item = i32> {
    let name = |task: &String| std::fs::read_to_string(format!("/proc/self/task/{task}/comm")).unwrap_or_default();
    let tasks = files(Path::new("/proc/self/task")).into_iter();
    tasks
        .filter(move |task| name(task).trim_end() == "npipe")
        .map(|task| task.parse().expect("a number"))
}

/// Looked at one by one, since a listing would take one itself.
fn free_descriptors() -> impl Iterator<Item = u64> {
    (0..).filter(|number| std::fs::read_link(format!("/proc/self/fd/{number}")).is_err())
}

fn count_descriptors() -> usize {
    // The listing has one of its own.
    std::fs::read_dir("/proc/self/fd").expect("a mounted /proc").count() - 1
}

/// This process' share of memory, in which what several processes share counts in parts. Without the program's own text, whose
/// parts change with every other test that begins or ends.
fn pss_bytes() -> u64 {
    let kib = ["Pss_Anon:", "Pss_Shmem:"].map(|kind| field("/proc/self/smaps_rollup", kind));
    1024 * kib.iter().sum::<u64>()
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
