//! The machine that is measured: what it is, and which processors to use.

use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// What the figures depend on.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    /// Processors that this process may use.
    pub(super) cpus: usize,
    pub(super) kernel: String,
    /// Whether a hypervisor runs this machine: waking an idle processor is then
    /// slower by far.
    pub(super) is_virtual: bool,
    /// Processes that wanted to run before we started, by the system's one-minute average.
    pub(super) load: f64,
    /// "release" or "debug"; figures of a debug build mean nothing.
    pub(super) build: &'static str,
}

impl Machine {
    pub(super) fn describe() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let system = rustix::system::uname();
        Machine {
            processor: fact(&cpuinfo, "model name").unwrap_or_else(|| "unknown".to_owned()),
            cpus: allowed_cpus().map_or(1, |cpus| cpus.len()),
            kernel: format!(
                "{} {} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy(),
                system.machine().to_string_lossy()
            ),
            is_virtual: fact(&cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{}, {} processors{}, {}, load {}, {} build",
            self.processor,
            self.cpus,
            if self.is_virtual { " (virtual machine)" } else { "" },
            self.kernel,
            self.load,
            self.build,
        )
    }
}

/// The first value of a key in /proc/cpuinfo.
fn fact(cpuinfo: &str, key: &str) -> Option<String> {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(name, _)| name.trim() == key);
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// The processors that this process may run on.
fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Two processors for two processes: of different cores where there are such,
/// since the threads of one core share what they compute with.
pub(super) fn two_cpus() -> Option<[usize; 2]> {
    let cpus = allowed_cpus().ok()?;
    let first = *cpus.first()?;
    let others = &cpus[1..];
    let second = others
        .iter()
        .find(|cpu| core_of(**cpu) != core_of(first))
        .or(others.first())?;
    Some([first, *second])
}

/// The first processor that may be used.
pub(super) fn one_cpu() -> Option<usize> {
    allowed_cpus().ok()?.first().copied()
}

/// Package and core of a processor; none where the system does not tell.
fn core_of(cpu: usize) -> Option<(String, String)> {
    let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
    let package = fs::read_to_string(format!("{topology}/physical_package_id")).ok()?;
    let core = fs::read_to_string(format!("{topology}/core_id")).ok()?;
    Some((package, core))
}

/// Keeps this thread, and those it will start, on these processors.
pub(super) fn stay_on(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of equal keys, and colons in values.
    #[test]
    fn cpuinfo_is_read_by_key() {
        let cpuinfo = "processor\t: 0\nmodel name\t: One: Two\nflags\t\t: fpu hypervisor\n";
        assert_eq!(fact(cpuinfo, "model name").as_deref(), Some("One: Two"));
        assert_eq!(fact(cpuinfo, "cache size"), None);
        assert!(one_cpu().is_some());
    }
}
