//! Route sets: pushed, refused with part and reason, kept over a crash, watched.

use std::fmt::Write as _;
use std::time::Instant;

use peers::Outcome;
use peers::broker::{Broker, Ear};
use peers::office::{Office, Setup};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::BINARY;
use crate::sites::{SOON, Site, condition, topic};

pub(crate) const DESIRED: &str = "routes/desired";
pub(crate) const REPORTED: &str = "routes/reported";

/// A key of ops, and its name.
pub(crate) struct Ops {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Ops {
    pub(crate) fn new(kid: &'static str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed");
        Self { kid, pair }
    }

    /// A line of `[uplink.route-keys]`.
    pub(crate) fn line(&self) -> String {
        format!("{} = \"{}\"", self.kid, base64url(self.pair.public_key().as_ref()))
    }

    /// The set with its signature, by RFC 7515 appendix F and RFC 8785: keys of ASCII sorted, no spaces.
    pub(crate) fn sign(&self, mut set: Value) -> String {
        let header = base64url(format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\"}}", self.kid).as_bytes());
        let input = format!("{header}.{}", base64url(set.to_string().as_bytes()));
        let signature = base64url(self.pair.sign(input.as_bytes()).as_ref());
        set["signature"] = format!("{header}..{signature}").into();
        set.to_string()
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let _ = write!(text, "{}", char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// A set of one link, to `address`, on probation for `probation`.
pub(crate) fn set(revision: u64, address: &str, probation: &str) -> Value {
    json!({
        "v": 1, "office": "BRU", "revision": revision, "issued": "2026-11-21T09:00:00Z", "probation": probation,
        "links": [{ "id": "carrier", "kind": "PstnGateway", "address": address,
                    "health": { "probe": "1s", "timeout": "300ms", "fail-after": 2, "recover-after": 1 } }],
        "routes": [{ "pattern": "0*", "links": ["carrier"] }],
    })
}

pub(crate) fn with_key(setup: Setup, ops: &Ops) -> Setup {
    setup.with("uplink.route-keys", ops.line())
}

/// Pushes a document and waits for a report that pleases.
pub(crate) async fn push(
    broker: &Broker,
    ear: &mut Ear,
    document: &str,
    is_right: impl Fn(&Value) -> bool,
) -> Outcome<Value> {
    broker.publish(&topic(DESIRED), document, true).await?;
    ear.until(&topic(REPORTED), SOON, is_right).await
}

/// Sets that a box must refuse while revision 5 of [`set`] is in force, with the reason and the part.
fn bad_sets(ops: &Ops) -> Vec<(String, &'static str, &'static str)> {
    const CARRIER: &str = "sip:192.0.2.1:5060;transport=udp";
    let changed = |key: &str, value: Value| {
        let mut set = set(6, CARRIER, "1s");
        set[key] = value;
        ops.sign(set)
    };
    let forged = ops.sign(set(6, CARRIER, "1s")).replace("192.0.2.1", "192.0.2.2");
    vec![
        (forged, "forged", "signature"),
        (set(6, CARRIER, "1s").to_string(), "unsigned", "signature"),
        (Ops::new("ops-9", 9).sign(set(6, CARRIER, "1s")), "unknown-key", "signature"),
        (Ops::new(ops.kid, 9).sign(set(7, CARRIER, "1s")), "forged", "signature"),
        (changed("office", "PAR".into()), "foreign", "office"),
        (ops.sign(set(4, CARRIER, "1s")), "stale", "revision"),
        (ops.sign(set(5, "sip:192.0.2.2:5060;transport=udp", "1s")), "conflict", "revision"),
        (ops.sign(set(6, "http://192.0.2.1", "1s")), "bad-part", "links[0].address"),
        (changed("routes", json!([{ "pattern": "0*", "links": ["nobody"] }])), "bad-part", "routes[0].links"),
        (changed("not-after", "2020-01-01T00:00:00Z".into()), "expired", "not-after"),
        (changed("v", 2.into()), "version", "v"),
        ("{\"v\":1,".to_owned(), "malformed", ""),
        (changed("more", "x".repeat(5 << 20).into()), "too-large", ""),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_sets_are_applied_and_bad_ones_refused_with_part_and_reason() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let ops = Ops::new("ops-1", 1);
    let office = Office::open(BINARY, with_key(site.setup(&[&broker], "")?, &ops)).await?;
    let mut ear = broker.listen().await?;
    let good = set(5, "sip:192.0.2.1:5060;transport=udp", "1s");
    let began = Instant::now();
    let applied =
        push(&broker, &mut ear, &ops.sign(good.clone()), |report| report["outcome"] == "applied").await?;
    let took = began.elapsed();
    assert_eq!(applied["in-force"]["revision"], 5);
    assert!(applied["probation-until"].is_string(), "{applied}");
    let digest = applied["in-force"]["digest"].clone();
    assert!(digest.as_str().unwrap_or_default().starts_with("sha256:"), "{applied}");
    ear.until(&topic(REPORTED), SOON, |report| {
        report.get("probation-until").is_none() && report["outcome"] == "applied"
    })
    .await?;

    for (document, reason, part) in bad_sets(&ops) {
        let is_it = |report: &Value| {
            let because = &report["because"];
            because["reason"] == reason && because["part"].as_str().unwrap_or_default() == part
        };
        let refused = push(&broker, &mut ear, &document, is_it).await?;
        let (outcome, in_force) = (&refused["outcome"], &refused["in-force"]["digest"]);
        assert_eq!((outcome, in_force), (&"refused".into(), &digest), "{reason}");
    }
    condition(&office, "routes-refused", |refused| refused["raised"] == true).await?;

    let next = ops.sign(set(6, "sip:192.0.2.1:5060;transport=udp", "0s"));
    push(&broker, &mut ear, &next, |report| report["in-force"]["revision"] == 6).await?;
    condition(&office, "routes-refused", |refused| refused["raised"] == false).await?;
    let replayed =
        |report: &Value| report["because"]["reason"] == "stale" && report["in-force"]["revision"] == 6;
    push(&broker, &mut ear, &ops.sign(good), replayed).await?;

    // Nobody can push what is needed to start: it lies on flash.
    broker.publish(&topic(DESIRED), "", true).await?;
    office.kill();
    office.restart().await?;
    let is_new = |report: &Value| report["boot"].is_string() && report["boot"] != applied["boot"];
    let kept = ear.until(&topic(REPORTED), SOON, is_new).await?;
    assert_eq!((&kept["outcome"], &kept["in-force"]["revision"]), (&"applied".into(), &6.into()));
    push(&broker, &mut ear, &next, |report| is_new(report) && report["outcome"] == "applied").await?;
    println!("from push to reported: {} ms, mosquitto_pub's start included", took.as_millis());
    let events = ear.documents(&topic("events"));
    let told = |outcome: &str| {
        events
            .iter()
            .filter(|event| event["body"]["action"] == "routes" && event["body"]["outcome"] == outcome)
            .count()
    };
    assert_eq!((told("applied"), told("refused")), (2, 14), "{events:#?}");
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_without_keys_takes_no_set() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let office = site.office(&[&broker], "").await?;
    let mut ear = broker.listen().await?;
    let document = Ops::new("ops-1", 1).sign(set(1, "sip:192.0.2.1:5060", "1s"));
    push(&broker, &mut ear, &document, |report| report["because"]["reason"] == "unknown-key").await?;
    office.close().await
}
