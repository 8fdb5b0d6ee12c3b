//! What a storm of threads leaves behind in its process, and in the namespace.

use crate::support::{Build, Place};
use crate::tables::source;

/// The program of the storm, run twice in one process with its `main` under another name.
const TWICE: &str = r#"
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int storm_main(int argc, char **argv);

struct left { int threads, segments, descriptors; };

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (readdir(directory)) count++;
    closedir(directory);
    return count - 2;
}

static struct left look(void)
{
    struct left left = { entries("/proc/self/task"), 0, entries("/proc/self/fd") - 1 };
    char line[600];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps)) left.segments += strstr(line, "memfd:") != NULL;
    fclose(maps);
    return left;
}

/* Threads end a moment after what they did is seen. Gives up when nothing helps, and the numbers say so. */
static struct left settled(int threads)
{
    time_t start = time(NULL);
    struct left left = look();
    while ((left.threads != threads || left.segments) && time(NULL) - start < 60) { sched_yield(); left = look(); }
    return left;
}

int main(int argc, char **argv)
{
    struct left before = look(), once, twice;
    storm_main(argc, argv);
    /* npipe's one thread stays, and what it waits with: epoll, a waker, a timer, and a spare; and the namespace directory. */
    once = settled(before.threads + 1);
    storm_main(argc, argv);
    twice = settled(before.threads + 1);
    printf("left.threads: %d then %d\n", once.threads - before.threads, twice.threads - before.threads);
    printf("left.segments: %d then %d\n", once.segments, twice.segments);
    printf("left.descriptors: %s then %d\n", once.descriptors - before.descriptors <= 5 ? "few" : "many", twice.descriptors - once.descriptors);
    return 0;
}
"#;

/// No thread, no segment, no descriptor of it is in the process any more, and no file in the namespace.
#[test]
fn nothing_is_left_of_a_storm() {
    let place = Place::new();
    let storm = Build {
        flags: &["-fshort-wchar", "-Dmain=storm_main"],
        ..Build::default()
    };
    let storm = place.object("storm.o", &source("storm"), storm);
    let twice = place.object("twice.o", &place.source("twice.c", TWICE), Build::default());
    let program = place.link("twice", &[storm, twice], Build::default());
    let text = place.run(&program, &[]);
    let left: Vec<&str> = text.lines().filter(|line| line.starts_with("left.")).collect();
    let expected = [
        "left.threads: 1 then 1",
        "left.segments: 0 then 0",
        "left.descriptors: few then 0",
    ];
    assert_eq!(left, expected, "{text}");
    assert_eq!(text.matches("storm.ended: WAIT_OBJECT_0").count(), 2, "{text}");
    let files: Vec<_> = std::fs::read_dir(place.names()).expect("the namespace").collect();
    assert!(files.is_empty(), "{files:?}");
}
