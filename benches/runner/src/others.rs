//! What else the machine did meanwhile.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Kernel threads that go through memory from time to time, for milliseconds, whatever is measured. All others of the kernel work
/// for somebody, perhaps for the server that is measured.
const KEEPERS: [&str; 2] = ["kdamond", "ksmd"];
/// The flag of a kernel thread in `/proc/<pid>/stat`: `PF_KTHREAD` of the kernel's `sched.h`.
const KERNELS: u64 = 0x0020_0000;

/// Nanoseconds of processor time by thread, of all that do not belong to this benchmark.
pub struct Others {
    at: Instant,
    used: HashMap<String, u64>,
}

impl Others {
    /// What they have used so far.
    pub fn now() -> Self {
        let pids = names("/proc").filter_map(|name| name.parse().ok());
        let processes: HashMap<u32, Process> = pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect();
        let parent = |pid: &u32| processes.get(pid).map(|process| process.parent);
        let is_ours = |pid| std::iter::successors(Some(pid), parent).take(64).any(|pid| pid == std::process::id());
        let mut used = HashMap::new();
        for (&pid, process) in &processes {
            if is_ours(pid) || process.is_kernels && !KEEPERS.iter().any(|keeper| process.name.starts_with(keeper)) {
                continue;
            }
            let tasks = format!("/proc/{pid}/task");
            for thread in names(&tasks) {
                let path = Path::new(&tasks).join(&thread).join("schedstat");
                let nanos = std::fs::read_to_string(path).ok().and_then(|text| text.split(' ').next()?.parse().ok());
                used.extend(nanos.map(|nanos| (thread, nanos)));
            }
        }
        Self { at: Instant::now(), used }
    }

    /// The share of one core that they have used since. Nothing where the kernel keeps no account of it. What began and ended
    /// meanwhile is not found.
    pub fn share(&self) -> Option<f64> {
        let Self { at, used } = Self::now();
        let before = |thread: &String| self.used.get(thread).copied().unwrap_or(0);
        let nanos: u64 = used.iter().map(|(thread, nanos)| nanos.saturating_sub(before(thread))).sum();
        let is_kept = used.values().any(|nanos| *nanos > 0);
        is_kept.then(|| nanos as f64 / (at - self.at).as_nanos() as f64)
    }
}

struct Process {
    parent: u32,
    name: String,
    is_kernels: bool,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold spaces and brackets. State, parent, group, session, terminal, its group and flags follow.
        let (begin, rest) = text.rsplit_once(") ")?;
        let (_, name) = begin.split_once('(')?;
        let mut fields = rest.split(' ').skip(1);
        let parent = fields.next()?.parse().ok()?;
        let flags: u64 = fields.nth(4)?.parse().ok()?;
        Some(Self { parent, name: name.to_owned(), is_kernels: flags & KERNELS != 0 })
    }
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
