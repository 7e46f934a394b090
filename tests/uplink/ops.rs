//! `branchline ops` as central ops type it, against a real broker and a real box.

use std::path::{Path, PathBuf};

use peers::broker::Broker;
use peers::certs::Identity;
use peers::office::{Office, Setup};
use peers::{Failure, Outcome};
use serde_json::{Value, json};

use crate::BINARY;
use crate::sites::{self, Site, topic};

/// A desk of central ops: a certificate, a signing key, a directory with sets.
pub(crate) struct OpsDesk {
    directory: PathBuf,
    broker: Vec<String>,
    route_key: String,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) errors: String,
}

impl Told {
    pub(crate) fn json(&self) -> Outcome<Value> {
        serde_json::from_str(&self.text).map_err(|error| Failure::new(format!("{error}: {self:?}")))
    }
}

impl OpsDesk {
    pub(crate) fn open(site: &Site, broker: &Broker) -> Outcome<Self> {
        let own = site.authority.issue("central-ops", &["ops"])?;
        let directory = site.scratch.join("desk");
        std::fs::create_dir_all(&directory)?;
        let broker = access(broker, site.authority.certificate(), &own)?;
        let mut desk = Self { directory, broker, route_key: String::new() };
        let key = desk.type_in(&["keygen", "ops-2026", "--json"])?.json()?;
        desk.route_key = format!("ops-2026 = {}", key["route-key"]);
        Ok(desk)
    }

    /// An office that takes this desk's signatures.
    pub(crate) fn setup(&self, site: &Site, broker: &Broker, office: &'static str) -> Outcome<Setup> {
        let own = site.authority.issue(office, &[office])?;
        let setup = sites::setup(&[broker], site.authority.certificate(), &own, "");
        Ok(Setup { office, ..setup }.with("uplink.route-keys", self.route_key.clone()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn write(&self, name: &str, set: &Value) -> Outcome {
        Ok(std::fs::write(self.path(name), set.to_string())?)
    }

    /// `branchline ops …` in the desk's directory, without a broker.
    pub(crate) fn type_in(&self, words: &[&str]) -> Outcome<Told> {
        let mut command = std::process::Command::new(BINARY);
        command.arg("ops").args(words).current_dir(&self.directory).env("XDG_STATE_HOME", self.path("state"));
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Told { code, text: text(&output.stdout), errors: text(&output.stderr) })
    }

    /// The same, with the broker.
    pub(crate) fn run(&self, words: &[&str]) -> Outcome<Told> {
        let all: Vec<&str> = words.iter().copied().chain(self.broker.iter().map(String::as_str)).collect();
        self.type_in(&all)
    }

    /// The same, signing with the desk's key.
    pub(crate) fn run_signing(&self, words: &[&str]) -> Outcome<Told> {
        let all: Vec<&str> = words.iter().copied().chain(["--signing-key", "ops-2026.key"]).collect();
        self.run(&all)
    }
}

fn access(broker: &Broker, ca: &Path, own: &Identity) -> Outcome<Vec<String>> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600))?;
    let file = |path: &Path| path.display().to_string();
    let words = [
        ("--broker", broker.url()),
        ("--ca", file(ca)),
        ("--cert", file(&own.certificate)),
        ("--key", file(&own.key)),
    ];
    Ok(words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect())
}

/// A route set of an office with one link to another.
pub(crate) fn route_set(office: &str, revision: u64, cost: u64) -> Value {
    json!({
        "v": 1, "office": office, "revision": revision, "issued": "2026-11-21T09:00:00Z", "probation": "1s",
        "links": [{ "id": "nyc-sip", "kind": "SipTrunk", "office": "NYC", "address": "sip:nyc.example:5061;transport=tls",
                    "cost": cost, "health": { "probe": "1h" } }],
        "routes": [{ "pattern": "NYC-*", "office": "NYC", "links": ["nyc-sip"], "strip": 4 }],
        "comment": "fields that nobody knows are kept",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_are_pushed_compared_refused_and_rolled_back() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = OpsDesk::open(&site, &broker)?;
    let office = Office::open(BINARY, desk.setup(&site, &broker, "BRU")?).await?;

    desk.write("bru.json", &route_set("BRU", 1, 10))?;
    let unsigned = desk.run(&["push", "bru.json"])?;
    assert!(unsigned.code == 65 && unsigned.errors.contains("not signed"), "{unsigned:?}");
    let signed =
        desk.type_in(&["sign", "bru.json", "--signing-key", "ops-2026.key", "--out", "bru.json", "--json"])?;
    let digest = signed.json()?["digest"].clone();
    let pushed = desk.run(&["push", "bru.json", "--json"])?;
    assert_eq!(pushed.code, 0, "{pushed:?}");
    assert_eq!(pushed.json()?[0]["outcome"], "applied");
    let again = desk.run(&["push", "bru.json"])?;
    assert!(again.code == 0 && again.text.contains("applied"), "what is in force is applied: {again:?}");

    let fleet = desk.run(&["status", "--json"])?.json()?;
    assert_eq!(fleet[0]["office"], "BRU");
    assert_eq!(fleet[0]["in-force"]["digest"], digest);
    assert_eq!(fleet[0]["state"], "online");
    let table = desk.run(&["status"])?.text;
    assert!(table.starts_with("OFFICE  BOX") && table.contains("BRU     online  1"), "{table}");

    assert_eq!(desk.run(&["diff", "BRU", "bru.json"])?.code, 0);
    desk.write("bru.json", &route_set("BRU", 2, 20))?;
    let changed = desk.run(&["diff", "BRU", "bru.json"])?;
    assert!(changed.code == 1 && changed.text.contains("~ links[nyc-sip].cost: 10 -> 20"), "{changed:?}");
    let pushed = desk.run_signing(&["push", "bru.json"])?;
    assert!(pushed.code == 0 && pushed.text.contains("applied"), "{pushed:?}");

    let back = desk.run_signing(&["roll-back", "BRU", "--json"])?;
    assert_eq!(back.code, 0, "{back:?}");
    let back = back.json()?;
    assert_eq!((&back[0]["revision"], &back[0]["outcome"]), (&json!(3), &json!("applied")));
    desk.write("old.json", &route_set("BRU", 1, 10))?;
    assert_eq!(desk.run(&["diff", "BRU", "old.json"])?.code, 0, "the old content is in force");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_says_why_it_refuses_and_silence_is_explained() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = OpsDesk::open(&site, &broker)?;
    let office = Office::open(BINARY, desk.setup(&site, &broker, "BRU")?).await?;
    let refused = |told: &Told, reason: &str| -> Outcome {
        let one = told.json()?[0].clone();
        assert_eq!(
            (told.code, &one["outcome"], &one["because"]["reason"]),
            (65, &json!("refused"), &json!(reason)),
            "{one}"
        );
        Ok(())
    };

    desk.write("bru.json", &route_set("BRU", 5, 10))?;
    assert_eq!(desk.run_signing(&["push", "bru.json"])?.code, 0);
    desk.write("bru.json", &route_set("BRU", 4, 10))?;
    let older = desk.run_signing(&["push", "bru.json", "--json"])?;
    assert!(older.code == 65 && older.errors.contains("revision 5 is there already"), "{older:?}");
    refused(&desk.run_signing(&["push", "bru.json", "--json", "--force"])?, "stale")?;
    desk.write("bru.json", &route_set("BRU", 5, 11))?;
    refused(&desk.run_signing(&["push", "bru.json", "--json", "--force"])?, "conflict")?;
    desk.type_in(&["keygen", "stranger"])?;
    desk.write("bru.json", &route_set("BRU", 6, 11))?;
    refused(&desk.run(&["push", "bru.json", "--json", "--signing-key", "stranger.key"])?, "unknown-key")?;
    let usurped = ["push", "bru.json", "--json", "--signing-key", "stranger.key", "--kid", "ops-2026"];
    refused(&desk.run(&usurped)?, "forged")?;
    let mut late = route_set("BRU", 6, 11);
    late["not-after"] = "2020-01-01T00:00:00Z".into();
    desk.write("bru.json", &late)?;
    refused(&desk.run_signing(&["push", "bru.json", "--json"])?, "expired")?;
    let table = desk.run(&["status"])?.text;
    assert!(table.contains("6 refused: expired"), "{table}");

    // What is bad in itself does not leave the desk.
    let mut bad = route_set("BRU", 6, 11);
    bad["links"][0]["address"] = "http://nyc.example".into();
    desk.write("bad.json", &bad)?;
    let local = desk.run_signing(&["push", "bad.json"])?;
    assert!(local.code == 65 && local.errors.contains("links[0].address"), "{local:?}");

    desk.write("par.json", &route_set("PAR", 1, 10))?;
    let silent = desk.run_signing(&["push", "par.json", "--timeout", "1s"])?;
    assert!(silent.code == 69 && silent.text.contains("no box of this office ever reported"), "{silent:?}");
    sites::stop(&office).await?;
    desk.write("bru.json", &route_set("BRU", 7, 12))?;
    let offline = desk.run_signing(&["push", "bru.json", "--timeout", "1s"])?;
    assert!(offline.code == 69 && offline.text.contains("off line since"), "{offline:?}");
    let nobody = desk.type_in(&["status", "--broker", "mqtt://127.0.0.1:1"])?;
    assert!(nobody.code == 69 && nobody.errors.contains("127.0.0.1:1"), "{nobody:?}");
    office.restart().await?;
    let taken = desk.run(&["watch", "BRU", "--count", "12", "--for", "3s"])?;
    assert!(taken.text.contains("routes 7 applied"), "it takes the set when it returns: {taken:?}");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_watched() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = OpsDesk::open(&site, &broker)?;
    let office = Office::open(BINARY, desk.setup(&site, &broker, "BRU")?).await?;
    broker.publish("branchline/v1/PAR/status", "no document", true).await?;
    let event = json!({ "v": 1, "office": "BRU", "boot": "b", "seq": 7, "at": "2026-11-21T09:00:00Z", "kind": "call",
                        "historical": true, "body": { "from": "1001", "to": "\u{1b}[2J" } });
    let watching = {
        let words: Vec<String> = desk.broker.clone();
        let mut command = std::process::Command::new(BINARY);
        command.args(["ops", "watch", "BRU", "--for", "3s"]).args(words).stdout(std::process::Stdio::piped());
        command.spawn()?
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    broker.publish(&topic("events"), &event.to_string(), false).await?;
    let output = watching.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("2026-11-21 09:00 UTC  BRU  call (historical) #7 from=1001 to=.[2J"), "{text}");
    let fleet = desk.run(&["status", "--json"])?.json()?;
    assert_eq!((&fleet[0]["office"], &fleet[0]["unreadable"]), (&json!("BRU"), &json!([])));
    assert!(fleet[1]["unreadable"][0].as_str().unwrap_or_default().contains("PAR/status"), "{fleet}");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_brokers_the_first_that_answers_counts() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = OpsDesk::open(&site, &broker)?;
    let office = Office::open(BINARY, desk.setup(&site, &broker, "BRU")?).await?;
    let dead = ["--broker", "mqtts://127.0.0.1:1"];

    desk.write("bru.json", &route_set("BRU", 1, 10))?;
    let pushed = desk.run_signing(&[&["push", "bru.json", "--json"], &dead[..]].concat())?;
    assert!(pushed.code == 0 && pushed.json()?[0]["outcome"] == "applied", "{pushed:?}");
    let mut both = vec!["status"];
    both.extend(dead);
    both.extend(["--broker", "mqtts://127.0.0.1:2", "--ca"]);
    let ca =
        desk.broker.iter().skip_while(|word| *word != "--ca").nth(1).ok_or_else(|| Failure::new("no CA"))?;
    both.push(ca);
    let nobody = desk.type_in(&both)?;
    assert!(nobody.code == 69, "{nobody:?}");
    assert!(nobody.errors.contains("127.0.0.1:1") && nobody.errors.contains("127.0.0.1:2"), "{nobody:?}");
    office.close().await
}
