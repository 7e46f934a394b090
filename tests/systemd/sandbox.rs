//! That the sandbox is really around the daemon, and that the daemon works in it.

use peers::{Failure, Outcome};

use crate::installed::{Installed, UNIT};

#[test]
fn the_daemon_is_nobody_special() -> Outcome {
    let site = Installed::boot("sandbox")?;
    site.start()?;
    let uid = site.machine.run(&["id", "-u", "branchline"])?.trim().to_owned();
    assert_ne!(uid, "0");
    let uids = site.process_status("Uid")?;
    assert!(uids.split_whitespace().all(|one| one == uid), "{uids}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(site.process_status(set)?, "0000000000000000", "{set}");
    }
    assert_eq!(site.process_status("NoNewPrivs")?, "1");
    // The container has filters of its own; the service's come on top.
    let filters = |pid: &str| {
        let text = site.machine.run(&["cat", &format!("/proc/{pid}/status")])?;
        let count = text.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")).unwrap_or_default();
        Ok::<u32, Failure>(count.trim().parse()?)
    };
    assert!(filters(&site.property("MainPID")?)? > filters("1")?);

    // Seen from inside its name spaces: what it can write is its own, and the rest is not there.
    let inside = |script: &str| {
        site.machine.output(&["nsenter", "-t", &site.property("MainPID")?, "-m", "/bin/sh", "-c", script])
    };
    for script in ["touch /usr/x", "touch /etc/x", "touch /var/x", "touch /etc/branchline/x"] {
        let output = inside(script)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("Read-only file system"), "{script}: {said}");
    }
    for script in [
        "touch /var/lib/branchline/x && rm /var/lib/branchline/x",
        "touch /run/branchline/x && rm /run/branchline/x",
    ] {
        assert!(inside(script)?.status.success(), "{script}");
    }
    site.machine.run(&["sh", "-c", "echo kept >/home/kept; echo kept >/tmp/kept"])?;
    for path in ["/home/kept", "/tmp/kept", "/dev/kmsg", "/proc/meminfo"] {
        assert!(!inside(&format!("test -e {path}"))?.status.success(), "{path} is visible");
    }
    let modes = site.machine.run(&[
        "sh",
        "-c",
        "stat -c '%a %U' /var/lib/branchline /run/branchline/* /var/lib/branchline/*.db",
    ])?;
    assert_eq!(modes.lines().next(), Some("750 branchline"));
    assert!(modes.lines().skip(1).all(|mode| mode == "600 branchline"), "{modes}");
    site.machine.stop()
}

#[test]
fn no_call_of_the_daemon_is_refused_by_its_filter() -> Outcome {
    let site = Installed::boot("filter")?;
    // A refused call ends it at once instead of failing quietly.
    site.edit("[Service]\nSystemCallErrorNumber=\nRestart=no\n")?;
    site.start()?;
    site.machine.run(&["branchline", "extension", "add", "1001"])?;
    site.machine.run(&["branchline", "status"])?;
    assert!(site.handshake(5061, &[])?.status.success());
    site.systemctl(&["reload", UNIT])?;
    assert_eq!(site.property("ActiveState")?, "active");
    site.systemctl(&["stop", UNIT])?;
    assert_eq!(site.property("Result")?, "success");
    site.machine.stop()
}

#[test]
fn it_runs_as_a_user_that_exists_for_the_service_alone() -> Outcome {
    let site = Installed::boot("dynamic")?;
    site.edit("[Service]\nUser=\nGroup=\nDynamicUser=yes\nUser=branchline-edge\n")?;
    site.machine.run(&["chmod", "755", "/etc/branchline"])?;
    site.start()?;
    assert_ne!(site.process_status("Uid")?.split_whitespace().next(), Some("0"));
    site.machine.run(&["test", "-d", "/var/lib/private/branchline"])?;
    let inside = ["branchline", "status", "--json"];
    let status: serde_json::Value = serde_json::from_str(&site.machine.run(&inside)?)?;
    let wrong = |condition: &serde_json::Value| condition["raised"] == true;
    assert!(!status["conditions"].as_array().is_some_and(|all| all.iter().any(wrong)), "{status}");
    site.systemctl(&["stop", UNIT])?;
    site.machine.stop()
}
