//! Keys by credentials, and a journal that a tool can read and that holds no secret.

use std::fs;

use peers::Outcome;
use peers::certs::Authority;
use peers::process::Scratch;
use serde_json::Value;

use crate::installed::{Installed, UNIT, package};

const CREDENTIALS: &str = "\
[sip.tls]
certificate = \"credential:tls.crt\"
key = \"credential:tls.key\"
[https]
certificate = \"credential:https.crt\"
key = \"credential:https.key\"
";

#[test]
fn keys_come_by_credentials_and_nobody_else_can_read_them() -> Outcome {
    let scratch = Scratch::new("systemd-ca")?;
    let authority = Authority::new(scratch.path())?;
    let sip = authority.issue("sip", &["sip.example"])?;
    let https = authority.issue("https", &["https.example"])?;
    let tree = package("credentials", CREDENTIALS)?;
    // By file: root's own, where the daemon's user cannot look.
    for (from, name) in [(&sip.certificate, "tls.crt"), (&sip.key, "tls.key")] {
        tree.write(&format!("/root/keys/{name}"), &fs::read_to_string(from)?)?;
        tree.set_mode(&format!("/root/keys/{name}"), 0o600)?;
    }
    tree.set_mode("/root/keys", 0o700)?;
    let site = Installed::boot_with(tree)?;
    // By value: systemd undoes the escapes.
    let value = |path| fs::read_to_string(path).map(|text| text.replace('\n', "\\n"));
    site.edit(&format!(
        "[Service]\nLoadCredential=tls.crt:/root/keys/tls.crt\nLoadCredential=tls.key:/root/keys/tls.key\n\
         SetCredential=https.crt:{}\nSetCredential=https.key:{}\n",
        value(&https.certificate)?,
        value(&https.key)?,
    ))?;
    site.start()?;
    let ca = authority.certificate().to_string_lossy().into_owned();
    for (port, host) in [(5061, "sip.example"), (8443, "https.example")] {
        let options = ["-CAfile", &ca, "-verify_return_error", "-verify_hostname", host];
        let said = site.handshake(port, &options)?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(
            said.contains("Verification: OK") && said.contains(&format!("Verified peername: {host}")),
            "{said}"
        );
    }

    let mode = site.machine.run(&["stat", "-c", "%a %U", "/run/credentials/branchline.service/tls.key"])?;
    assert!(mode.starts_with('4'), "{mode}");
    let stranger =
        ["setpriv", "--reuid=nobody", "--clear-groups", "cat", "/run/credentials/branchline.service/tls.key"];
    assert!(!site.machine.output(&stranger)?.status.success());
    let checked = site.machine.run(&["branchline", "check"])?;
    assert!(checked.contains("ok"), "{checked}");

    // Renewed: the file changes, systemd hands it over at a restart of the service.
    let renewed = authority.issue("sip", &["renewed.example"])?;
    site.machine.write("/root/keys/tls.crt", &fs::read_to_string(&renewed.certificate)?)?;
    site.machine.write("/root/keys/tls.key", &fs::read_to_string(&renewed.key)?)?;
    site.systemctl(&["restart", UNIT])?;
    let said = site
        .handshake(5061, &["-CAfile", &ca, "-verify_return_error", "-verify_hostname", "renewed.example"])?;
    assert!(String::from_utf8_lossy(&said.stderr).contains("Verification: OK"));

    let keys = [&sip.key, &https.key, &renewed.key];
    let secrets: Vec<String> =
        keys.iter().filter_map(|key| fs::read_to_string(key).ok()).flat_map(|pem| bodies(&pem)).collect();
    expect_no_secret(&site, &secrets)?;
    site.machine.stop()
}

#[test]
fn a_credential_that_is_missing_is_named() -> Outcome {
    let site = Installed::boot_with(package("missing", CREDENTIALS)?)?;
    assert!(!site.machine.output(&["systemctl", "start", UNIT])?.status.success());
    let messages = site.messages()?;
    assert!(messages.contains("tls.crt") || messages.contains("tls.key"), "{messages}");
    site.machine.stop()
}

#[test]
fn the_journal_has_fields_and_no_secret() -> Outcome {
    let site = Installed::boot_with(package("journal", "[log]\nlevel = \"trace\"\n")?)?;
    site.start()?;
    let made: Value = serde_json::from_str(&site.machine.run(&[
        "branchline",
        "--json",
        "extension",
        "add",
        "1001",
        "1002",
    ])?)?;
    let made = made.as_array().cloned().unwrap_or_default();
    assert_eq!(made.len(), 2);
    site.machine.write(crate::installed::CONFIG, "[log]\nlevle = 1\n")?;
    site.machine.output(&["systemctl", "reload", UNIT])?;

    let journal = site.journal()?;
    let own: Vec<&Value> = journal
        .iter()
        .filter(|entry| entry["_COMM"] == "branchline" && entry["TARGET"].is_string())
        .collect();
    assert!(!own.is_empty());
    for entry in &own {
        assert_eq!(entry["OFFICE"], "BRU", "{entry}");
        assert_eq!(entry["SYSLOG_IDENTIFIER"], "branchline", "{entry}");
        assert_eq!(entry["_SYSTEMD_UNIT"], UNIT, "{entry}");
        assert!(entry["PRIORITY"].as_str().is_some_and(|level| "34567".contains(level)), "{entry}");
        assert!(entry["CODE_FILE"].is_string() && entry["CODE_LINE"].is_string(), "{entry}");
    }
    // A tool asks by field.
    let by_reason = ["journalctl", "--no-pager", "--output=cat", "OFFICE=BRU", "REASON=config-refused"];
    let found = site.machine.run(&by_reason)?;
    assert!(found.contains("did you mean `level`?"), "{found}");

    let secrets: Vec<String> = made
        .iter()
        .flat_map(|one| [&one["password"], &one["token"]])
        .filter_map(|secret| secret.as_str().map(str::to_owned))
        .collect();
    assert_eq!(secrets.len(), 4);
    expect_no_secret(&site, &secrets)?;
    site.machine.stop()
}

/// The lines of a PEM file that carry the key.
fn bodies(pem: &str) -> Vec<String> {
    pem.lines().filter(|line| line.len() > 20 && !line.starts_with("--")).map(str::to_owned).collect()
}

/// No secret in the journal, in the service's environment, in its arguments, nor in what `systemctl status` shows.
fn expect_no_secret(site: &Installed, secrets: &[String]) -> Outcome {
    let pid = site.property("MainPID")?;
    let places = [
        site.machine.run(&["journalctl", "--no-pager", "--output=export"])?,
        site.machine.run(&["systemctl", "status", "--no-pager", "--full", UNIT])?,
        site.machine.run(&[
            "sh",
            "-c",
            &format!("tr '\\0' '\\n' </proc/{pid}/environ; tr '\\0' ' ' </proc/{pid}/cmdline"),
        ])?,
    ];
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(places.iter().all(|place| !place.contains(secret.as_str())), "a secret is shown");
    }
    Ok(())
}
