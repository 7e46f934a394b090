//! Processor time and memory of a process and its descendants, from `/proc`.

use std::collections::HashMap;
use std::fs;

/// Clock ticks a second, as `/proc/PID/stat` counts: fixed at 100 on Linux.
const TICKS: f64 = 100.0;

/// Seconds of processor time, of `pid` and all that it started.
pub(crate) fn of_tree(pid: u32) -> f64 {
    tree(pid).into_iter().map(|member| stat(member).map_or(0.0, |stat| stat.seconds)).sum()
}

/// Resident memory of the same, in KiB; a page that several share counts once in all (PSS).
pub(crate) fn memory_of_tree(pid: u32) -> u64 {
    tree(pid).into_iter().map(pss).sum()
}

struct Stat {
    parent: u32,
    seconds: f64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces: what follows its closing bracket does not.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let parent = fields.get(1)?.parse().ok()?;
    Some(Stat { parent, seconds: (field(11)? + field(12)?) / TICKS })
}

fn pss(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn tree(root: u32) -> Vec<u32> {
    if root == 0 {
        return Vec::new();
    }
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: HashMap<u32, u32> = numbers.filter_map(|pid| Some((pid, stat(pid)?.parent))).collect();
    let is_below = |mut pid: u32| loop {
        if pid == root {
            return true;
        }
        match parents.get(&pid) {
            Some(&parent) if parent != 0 => pid = parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|pid| is_below(*pid)).collect()
}

/// Seconds of processor time of this process's threads of that name.
pub(crate) fn of_threads(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path());
    let named =
        tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
    let spent = named.filter_map(|task| fs::read_to_string(task.join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}
