//! What else the machine did meanwhile.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Kernel threads that go through all memory from time to time, for milliseconds, whatever is measured. Others of the kernel's work
/// for somebody: what they do may be a server's doing.
const KEEPERS: [&str; 5] = ["kcompactd", "kdamond", "khugepaged", "ksmd", "kswapd"];

/// Nanoseconds of processor time by thread, of all that do not belong to this benchmark.
pub struct Others {
    at: Instant,
    used: HashMap<String, u64>,
}

impl Others {
    /// What they have used so far. It finds nobody where the kernel keeps no account in `/proc/<pid>/schedstat`.
    pub fn now() -> Self {
        let processes: HashMap<u32, (u32, String)> =
            names("/proc").filter_map(|name| name.parse().ok()).filter_map(known).collect();
        let of_this_benchmark = |pid: u32| {
            let parents = std::iter::successors(Some(pid), |pid| processes.get(pid).map(|(parent, _)| *parent));
            parents.take(64).any(|pid| pid == std::process::id())
        };
        let mut used = HashMap::new();
        for (&pid, (parent, name)) in &processes {
            let kernels = pid == 2 || *parent == 2;
            if of_this_benchmark(pid) || kernels && !KEEPERS.iter().any(|keeper| name.starts_with(keeper)) {
                continue;
            }
            let tasks = format!("/proc/{pid}/task");
            for thread in names(&tasks) {
                let account =
                    std::fs::read_to_string(Path::new(&tasks).join(&thread).join("schedstat")).unwrap_or_default();
                let nanos = account.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
                used.insert(thread, nanos);
            }
        }
        Self { at: Instant::now(), used }
    }

    /// The share of one core that they have used since.
    pub fn share(&self) -> f64 {
        let Self { at, used } = Self::now();
        let before = |thread: &String| self.used.get(thread).copied().unwrap_or(0);
        let nanos: u64 = used.iter().map(|(thread, nanos)| nanos.saturating_sub(before(thread))).sum();
        nanos as f64 / (at - self.at).as_nanos() as f64
    }
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// A process' parent and name.
fn known(pid: u32) -> Option<(u32, (u32, String))> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces and brackets.
    let (begin, rest) = text.rsplit_once(") ")?;
    let (_, name) = begin.split_once('(')?;
    Some((pid, (rest.split(' ').nth(1)?.parse().ok()?, name.to_owned())))
}
