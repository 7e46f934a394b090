//! Start, watchdog, crash, reload, stop.

use std::time::{Duration, Instant};

use peers::Outcome;
use peers::process::freeze_threads;

use crate::installed::{BASE_CONFIG, CONFIG, Installed, UNIT, package};

/// A watchdog that loses patience sooner than the shipped one; its time is the test's.
const SHORT_WATCHDOG: &str = "[Service]\nWatchdogSec=4s\n";

#[test]
fn a_start_is_ready_and_says_how_it_is() -> Outcome {
    let site = Installed::boot("start")?;
    let began = Instant::now();
    site.start()?;
    println!("systemctl start: {:?}", began.elapsed());
    assert_eq!(site.property("ActiveState")?, "active");
    assert_eq!(site.property("NRestarts")?, "0");
    let text = site.property("StatusText")?;
    assert_eq!(text, "BRU: 0 calls, 0 devices");
    let shown = site.systemctl(&["status", "--no-pager", UNIT])?;
    assert!(shown.contains("active (running)") && shown.contains(&format!("Status: \"{text}\"")), "{shown}");
    // The daemon answers on its control socket, asked by root.
    let status = site.machine.run(&["branchline", "status", "--json"])?;
    let status: serde_json::Value = serde_json::from_str(&status)?;
    assert_eq!((&status["office"], &status["state"]), (&"BRU".into(), &"ready".into()));
    assert_eq!(status["pid"].to_string(), site.property("MainPID")?);
    site.machine.stop()
}

#[test]
fn what_hangs_is_killed_and_started_again() -> Outcome {
    let site = Installed::boot("hang")?;
    site.edit(SHORT_WATCHDOG)?;
    site.start()?;
    let first = site.property("MainPID")?;
    // While it turns it is fed: nothing happens for longer than the watchdog's patience.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(site.property("MainPID")?, first);

    // The whole process stands still.
    let began = Instant::now();
    site.kill("SIGSTOP")?;
    let second = site.restarted(1)?;
    println!("hang: running again after {:?}", began.elapsed());
    assert_ne!(second, first);
    assert!(site.messages()?.contains("Failed with result 'watchdog'"), "{}", site.messages()?);
    site.machine.stop()
}

#[test]
fn signalling_or_media_that_stalls_is_named_and_restarted() -> Outcome {
    let site = Installed::boot("stall")?;
    site.edit(SHORT_WATCHDOG)?;
    site.start()?;
    for (restarts, threads, reason) in [(1, "media", "media-stalled"), (2, "shell", "engine-stalled")] {
        // Some threads stand still, as if they spun or waited for ever; the others go on.
        let began = Instant::now();
        let frozen = freeze_threads(site.machine.outer_pid(&site.property("MainPID")?)?, threads)?;
        let restarts = restarts.to_string();
        site.property_until("NRestarts", |count| count == restarts)?;
        drop(frozen);
        site.property_until("SubState", |state| state == "running")?;
        println!("{reason}: running again after {:?}", began.elapsed());
        let named = site.journal()?.iter().any(|entry| entry["REASON"] == reason);
        assert!(named, "{}", site.messages()?);
    }
    assert_eq!(site.messages()?.matches("Failed with result 'watchdog'").count(), 2);
    site.machine.stop()
}

#[test]
fn what_crashes_is_started_again() -> Outcome {
    let site = Installed::boot("crash")?;
    site.start()?;
    let mut pid = site.property("MainPID")?;
    for (restarts, signal) in [(1, "SIGKILL"), (2, "SIGABRT")] {
        let began = Instant::now();
        site.kill(signal)?;
        let next = site.restarted(restarts)?;
        println!("{signal}: running again after {:?}", began.elapsed());
        assert_ne!(next, pid);
        pid = next;
    }
    // What the dead ones left does not hinder.
    site.machine.run(&["branchline", "status"])?;
    site.machine.stop()
}

#[test]
fn a_reload_is_done_when_systemctl_returns_and_a_bad_one_changes_nothing() -> Outcome {
    let site = Installed::boot("reload")?;
    site.start()?;
    let pid = site.property("MainPID")?;
    site.machine.write(CONFIG, &format!("{BASE_CONFIG}[log]\nlevel = \"debug\"\n"))?;
    site.systemctl(&["reload", UNIT])?;
    assert!(site.messages()?.contains("reloaded: configuration read"), "{}", site.messages()?);

    // systemctl says that it failed, the unit's status text why, the journal where.
    site.machine.write(CONFIG, &format!("{BASE_CONFIG}[log]\nlevle = \"debug\"\n"))?;
    let refused = site.machine.output(&["systemctl", "reload", UNIT])?;
    assert!(!refused.status.success(), "a refused reload must not look like a success");
    assert_eq!(site.property("ActiveState")?, "active");
    assert!(site.property("StatusText")?.contains("config-refused"), "{}", site.property("StatusText")?);
    let messages = site.messages()?;
    assert!(
        messages.contains("branchline.toml:11:1: log.levle: unknown key; did you mean `level`?"),
        "{messages}"
    );

    site.machine.write(CONFIG, BASE_CONFIG)?;
    site.systemctl(&["reload", UNIT])?;
    assert_eq!(site.property("StatusText")?, "BRU: 0 calls, 0 devices");
    assert_eq!(site.property("MainPID")?, pid, "never restarted");
    site.machine.stop()
}

#[test]
fn a_stop_without_calls_is_quick_and_clean() -> Outcome {
    let site = Installed::boot("stop")?;
    site.start()?;
    let began = Instant::now();
    site.systemctl(&["stop", UNIT])?;
    println!("stop: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(site.property("Result")?, "success");
    assert_eq!(site.property("ExecMainStatus")?, "0");
    assert!(!site.machine.output(&["test", "-e", "/run/branchline"])?.status.success());
    // Its state stays.
    site.machine.run(&["test", "-s", "/var/lib/branchline/branchline.db"])?;
    site.machine.stop()
}

#[test]
fn what_cannot_start_yet_starts_when_it_can() -> Outcome {
    // The cable is not plugged in: the address that the configuration names is not there.
    let later = BASE_CONFIG.replace("0.0.0.0:5061", "192.0.2.10:5061");
    let tree = package("later", "")?;
    tree.write(CONFIG, &later)?;
    let site = Installed::boot_with(tree)?;
    assert!(!site.machine.output(&["systemctl", "start", UNIT])?.status.success());
    site.property_until("NRestarts", |count| count.parse().is_ok_and(|count: u32| count >= 2))?;
    assert!(site.messages()?.contains("192.0.2.10:5061"), "{}", site.messages()?);
    let plugged =
        site.machine.in_network("ip").args(["address", "add", "192.0.2.10/24", "dev", "lo"]).status()?;
    assert!(plugged.success());
    site.property_until("SubState", |state| state == "running")?;
    site.machine.stop()
}
