//! The shipped files as the target's own systemd judges them.

use peers::Outcome;

use crate::installed::{Installed, UNIT, UNITS, shipped};

/// The most exposed that the service may be, in tenths.
const THRESHOLD: &str = "15";

#[test]
fn units_are_well_formed_and_hardly_exposed() -> Outcome {
    let site = Installed::boot("units")?;
    let version = site.machine.run(&["systemctl", "--version"])?;
    let service = format!("/usr/lib/systemd/system/{UNIT}");
    for unit in UNITS {
        let path = format!("/usr/lib/systemd/system/{unit}");
        let output = site.machine.output(&[
            "systemd-analyze",
            "verify",
            "--man=no",
            "--recursive-errors=yes",
            &path,
        ])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{unit}: {said}");
    }
    let threshold = format!("--threshold={THRESHOLD}");
    let offline = ["systemd-analyze", "security", "--offline=yes", "--no-pager", &threshold, &service];
    let judged = site.machine.run(&offline)?;
    println!("{}: {}", version.lines().next().unwrap_or_default(), judged.lines().last().unwrap_or_default());
    site.machine.stop()
}

#[test]
fn users_and_directories_are_made_at_boot() -> Outcome {
    let site = Installed::boot("files")?;
    let user = site.machine.run(&["getent", "passwd", "branchline"])?;
    assert!(user.contains(":/var/lib/branchline:") && user.trim().ends_with("nologin"), "{user}");
    let modes = site.machine.run(&["stat", "-c", "%n %a %U:%G", "/etc/branchline", "/var/lib/branchline"])?;
    assert_eq!(modes, "/etc/branchline 750 root:branchline\n/var/lib/branchline 750 branchline:branchline\n");
    // A package installs them again at each upgrade.
    site.machine.run(&["systemd-sysusers", "/usr/lib/sysusers.d/branchline.conf"])?;
    site.machine.run(&["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/branchline.conf"])?;

    // The machine is powered off and nothing of it is left: processes, mounts, control groups, files.
    site.machine.stop()
}

#[test]
fn every_hardening_line_has_its_reason() -> Outcome {
    let text = std::fs::read_to_string(shipped("systemd").join(UNIT))?;
    let sandbox = text.split("---- sandbox").nth(1).unwrap_or_default();
    let mut explained = false;
    for line in sandbox.lines().skip(1).take_while(|line| !line.starts_with('[')) {
        explained = line.starts_with("# ") || (explained && !line.is_empty());
        assert!(explained || line.is_empty(), "{line} has no reason before it");
    }
    Ok(())
}
