//! The README's way to push routes without `branchline ops`: its very lines, run.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use peers::office::{Office, Setup};
use peers::{Failure, Outcome, require_program};

use crate::BINARY;
use crate::ops::route_set;
use crate::sites::{self, SOON, Site, topic};

const README: &str = include_str!("../../README.md");
/// What the README says of the broker; here it is another one.
const BROKER_LINE: &str = "broker=(";

/// The shell lines of the README's section, in its order.
fn blocks() -> Outcome<Vec<String>> {
    let missing = || Failure::new("the README has no section `Pushing routes`");
    let (_, section) = README.split_once("\n## Pushing routes\n").ok_or_else(missing)?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, by_hand) = section.split_once("\n### By hand\n").ok_or_else(missing)?;
    let blocks = by_hand.split("```sh\n").skip(1).filter_map(|block| block.split_once("```"));
    Ok(blocks.map(|(lines, _)| lines.to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_pushes_routes_with_a_text_editor_and_mosquitto_pub() -> Outcome {
    for program in ["jq", "openssl", "mosquitto_pub", "mosquitto_sub"] {
        require_program(program, "mosquitto")?;
    }
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = site.authority.issue("by-hand", &["ops"])?;
    let port = broker.url().rsplit(':').next().unwrap_or_default().to_owned();
    let directory = site.scratch.join("by-hand");
    std::fs::create_dir_all(&directory)?;
    let mut set = route_set("BRU", 42, 10);
    set["comment"] = "Zo\u{eb} wrote this: \"\\ \u{20ac}\n".into();
    std::fs::write(directory.join("bru.json"), serde_json::to_string_pretty(&set)?)?;
    let run = |lines: &str| -> Outcome<String> {
        let own = format!(
            "broker=(-h 127.0.0.1 -p {port} --cafile {} --cert {} --key {})",
            site.authority.certificate().display(),
            ops.certificate.display(),
            ops.key.display()
        );
        let replaced =
            lines.lines().map(|line| if line.starts_with(BROKER_LINE) { own.as_str() } else { line });
        let script = format!("set -euo pipefail\n{}\n", replaced.collect::<Vec<_>>().join("\n"));
        let output = Command::new("bash").arg("-c").arg(&script).current_dir(&directory).output()?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(text) } else { Err(Failure::new(format!("{script}\n{text}"))) }
    };
    let blocks = blocks()?;
    let [make_key, sign, push] = blocks.as_slice() else {
        return Err(Failure::new(format!("three blocks of shell expected: {blocks:?}")));
    };

    let printed = run(make_key)?;
    let line = printed.lines().find(|line| line.starts_with("ops-2026 = ")).unwrap_or_default();
    let own = site.authority.issue("box", &["box"])?;
    let setup = sites::setup(&[&broker], site.authority.certificate(), &own, "");
    let office = Office::open(BINARY, Setup::with(setup, "uplink.route-keys", line)).await?;
    let mut ear = broker.listen().await?;

    run(sign)?;
    let reported = run(push)?;
    let applied = ear.until(&topic("routes/reported"), SOON, |one| one["outcome"] == "applied").await?;
    assert_eq!(applied["in-force"]["revision"], 42);
    assert!(reported.contains("\"outcome\""), "the README's last line shows what the box says: {reported}");
    let digest = run("jq -cSj 'del(.signature)' bru.signed.json | sha256sum")?;
    let digest = digest.split(' ').next().unwrap_or_default();
    assert_eq!(applied["in-force"]["digest"], format!("sha256:{digest}"));

    // And the command line takes the shell's signature for its own.
    std::fs::set_permissions(directory.join("ops-2026.key"), std::fs::Permissions::from_mode(0o600))?;
    let mut sign_again = Command::new(BINARY);
    sign_again.args(["ops", "sign", "bru.json", "--signing-key", "ops-2026.key"]).current_dir(&directory);
    let by_ops: serde_json::Value = serde_json::from_slice(&sign_again.output()?.stdout)?;
    let by_hand: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("bru.signed.json"))?)?;
    assert_eq!(by_ops, by_hand, "Ed25519 is deterministic");
    office.close().await
}
