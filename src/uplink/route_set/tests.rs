//! Route sets that come: good ones, and one for every way to be refused.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::engine::routing::{LinkKind, Revision, Rewrite};
use crate::time::WallTime;
use crate::uplink::{
    Digest, Moment, Refusal, SignatureFlaw, SigningKey, TrustedKeys, Watermark, canonical, next_revision,
};

static OPS: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed("ops".parse().unwrap(), Zeroizing::new([1; 32])).unwrap());
const NOW: WallTime = WallTime(1_795_251_600_000);

/// The contract's example.
pub(super) fn good() -> Value {
    json!({
        "v": 1, "office": "BRU", "revision": 42, "issued": "2026-11-21T09:00:00Z",
        "not-after": "2026-12-01T00:00:00Z", "probation": "90s", "comment": "unknown, kept",
        "links": [
            { "id": "par-sip", "kind": "SipTrunk", "office": "PAR", "address": "sip:par.example:5061;transport=tls",
              "cost": 10, "priority": 1, "weight": 50, "max-calls": 30,
              "health": { "probe": "5s", "timeout": "1s", "fail-after": 2, "recover-after": 3 }, "disabled": false },
            { "id": "par-iax", "kind": "IaxTrunk", "office": "PAR", "address": "iax2:par", "cost": 20 },
            { "id": "gateway", "kind": "ApiGateway", "address": "wss://federation.example/sip" },
            { "id": "pstn", "kind": "PstnGateway", "address": "sip:carrier.example", "credentials": "carrier",
              "register": "1h", "later": [true] },
        ],
        "routes": [
            { "pattern": "PAR-*", "office": "PAR", "links": ["par-sip", "par-iax"], "strip": 4, "prefix": "" },
            { "pattern": "0*", "links": ["pstn"], "priority": 2, "cost": 3, "strip": 1, "prefix": "+32" },
            { "pattern": "600", "links": ["pstn"], "number": "+3225550600" },
        ],
        "emergency": ["112", "100"], "emergency-links": ["pstn"],
        "limits": { "calls": 200, "calls-per-user": 4, "calls-per-office": 30 },
        "permissions": [
            { "office": "PAR", "may": ["extensions", "roamers", "pstn"], "numbers": ["+33*"] },
            { "office": "*", "visitors": ["extensions"] },
        ],
        "rules": [
            { "name": "no-premium", "numbers": ["+3289*", "00*900*"], "action": "refuse" },
            { "name": "international", "numbers": ["00*"], "from": ["1001", "office:PAR", "visitors"], "per": "office",
              "calls-per-hour": 20, "minutes-per-day": 120, "spend-per-day": 5000, "max-duration": "1h" },
        ],
    })
}

pub(super) fn set(value: &Value) -> RouteSet {
    RouteSet::new(value.as_object().unwrap().clone()).unwrap()
}

fn signed(value: &Value) -> Vec<u8> {
    set(value).signed(&OPS).unwrap().write()
}

fn trusted() -> TrustedKeys {
    let mut trusted = TrustedKeys::new();
    trusted.trust(OPS.id().clone(), OPS.public()).unwrap();
    trusted
}

fn came(text: &[u8], watermark: &Watermark, now: WallTime) -> Result<Accepted, Box<Rejection>> {
    let trusted = trusted();
    receive(text, &Acceptance { office: "BRU".parse().unwrap(), trusted: &trusted, watermark, now })
}

/// Why a set is refused by a box that has none: reason, part, words.
fn refused(text: &[u8]) -> (&'static str, String, String) {
    let rejection = came(text, &Watermark::default(), NOW).unwrap_err();
    (rejection.reason.as_str(), rejection.refusal.part.clone(), rejection.refusal.reason.clone())
}

/// What `check` says of the good set with the value at `pointer` replaced; null takes it away.
pub(super) fn flaw(pointer: &str, value: Value) -> (String, String) {
    let mut changed = good();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    match check(&set(&changed)) {
        Err(Refusal { part, reason }) => (part, reason),
        Ok(_) => panic!("{pointer} was taken"),
    }
}

#[test]
fn a_good_set_becomes_a_table() {
    let Ok(Accepted::New { table, digest, probation, set }) =
        came(&signed(&good()), &Watermark::default(), NOW)
    else {
        panic!("the contract's example is refused")
    };
    assert_eq!((table.office().as_str(), table.revision()), ("BRU", Revision(42)));
    assert_eq!((digest, probation), (set.digest().unwrap(), Duration::from_secs(90)));
    let kinds: Vec<_> = table.links().iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [LinkKind::SipTrunk, LinkKind::IaxTrunk, LinkKind::ApiGateway, LinkKind::PstnGateway]);
    assert_eq!(table.links()[3].registration, Some(Duration::from_secs(3600)));
    assert_eq!(table.links()[0].max_calls, Some(30));
    let route = table.find("PAR-1001").next().unwrap();
    assert_eq!(route.rewrite, Rewrite::Edit { strip: 4, prefix: "".into() });
    assert_eq!(table.find("600").next().unwrap().rewrite, Rewrite::Replace("+3225550600".into()));
    assert!(table.emergency().numbers.contains("100"));
    assert_eq!(table.limits().calls_per_user, Some(4));
    assert_eq!(set.fields()["comment"], "unknown, kept");
    assert_eq!(set.fields()["links"][3]["later"], json!([true]));
}

#[test]
fn a_set_that_says_little_is_good() {
    let least = json!({ "v": 1, "office": "BRU", "revision": 1, "issued": "2026-11-21T09:00:00Z" });
    let (table, probation) = check(&set(&least)).unwrap();
    assert!(table.links().is_empty() && table.emergency().numbers.contains("112"));
    assert_eq!(probation, Duration::from_secs(60));
}

#[test]
fn strangers_and_forgers_are_refused() {
    let (reason, part, _) = refused(good().to_string().as_bytes());
    assert_eq!((reason, part.as_str()), ("unsigned", "signature"));
    let mut forged: Value = serde_json::from_slice(&signed(&good())).unwrap();
    forged["links"][0]["address"] = "sip:evil.example:5061;transport=tls".into();
    assert_eq!(refused(forged.to_string().as_bytes()).0, "forged");
    forged["signature"] = json!(7);
    assert_eq!(refused(forged.to_string().as_bytes()).0, "signature-malformed");
    let stranger = SigningKey::from_seed("stranger".parse().unwrap(), Zeroizing::new([2; 32])).unwrap();
    assert_eq!(refused(&set(&good()).signed(&stranger).unwrap().write()).0, "unknown-key");
    let usurper = SigningKey::from_seed("ops".parse().unwrap(), Zeroizing::new([2; 32])).unwrap();
    let rejection = came(&set(&good()).signed(&usurper).unwrap().write(), &Watermark::default(), NOW);
    let rejection = rejection.unwrap_err();
    assert_eq!(rejection.reason, RejectReason::Signature(SignatureFlaw::Forged));
    assert_eq!(rejection.asked.revision, Some(Revision(42)), "ops see which push was refused");
    assert_eq!(rejection.asked.digest, Some(set(&good()).digest().unwrap()));
    assert_eq!(rejection.because().reason, "forged");
}

#[test]
fn white_space_and_order_of_keys_do_not_matter_to_the_signature() {
    let text: Value = serde_json::from_slice(&signed(&good())).unwrap();
    let mut fields: Vec<_> = text
        .as_object()
        .unwrap()
        .iter()
        .rev()
        .map(|(key, value)| format!("{}: {value}", json!(key)))
        .collect();
    fields.push("\"later\" : null".to_owned());
    let with_more = format!("{{ {} }}", fields.join(" ,\n\t"));
    assert_eq!(refused(with_more.as_bytes()).0, "forged", "a field was added");
    fields.pop();
    let reordered = format!("{{ {} }}", fields.join(" ,\n\t"));
    assert!(came(reordered.as_bytes(), &Watermark::default(), NOW).is_ok());
}

#[test]
fn foreign_stale_replayed_conflicting_and_late_sets_are_refused() {
    let mut foreign = good();
    foreign["office"] = "PAR".into();
    let (reason, part, words) = refused(&signed(&foreign));
    assert_eq!((reason, part.as_str()), ("foreign", "office"));
    assert!(words.contains("BRU"));

    let digest = set(&good()).digest().unwrap();
    let mut watermark = Watermark::default();
    watermark.applied(Revision(42), digest);
    assert!(matches!(came(&signed(&good()), &watermark, NOW), Ok(Accepted::InForce)));
    let with_revision = |revision: u64| {
        let set = set(&good()).reissued(Revision(revision), Moment(NOW)).unwrap();
        set.signed(&OPS).unwrap().write()
    };
    let reason = |text: &[u8], watermark: &Watermark| came(text, watermark, NOW).unwrap_err().reason.as_str();
    assert_eq!(reason(&with_revision(41), &watermark), "stale");
    let mut other = good();
    other["limits"]["calls"] = 7.into();
    assert_eq!(reason(&signed(&other), &watermark), "conflict");
    assert!(matches!(came(&with_revision(43), &watermark, NOW), Ok(Accepted::New { .. })));
    watermark.rolled_back(Some(Digest::of(b"the one before")));
    assert_eq!(reason(&signed(&good()), &watermark), "replayed");

    let december = Moment::parse("2026-12-01T00:00:01Z").unwrap().0;
    let late = came(&signed(&good()), &Watermark::default(), december).unwrap_err();
    assert_eq!((late.reason.as_str(), late.refusal.part.as_str()), ("expired", "not-after"));
}

#[test]
fn what_is_no_set_is_refused() {
    let with = |text: &str| refused(text.as_bytes());
    assert_eq!(refused(&vec![b' '; LONGEST_SET + 1]).0, "too-large");
    assert_eq!(with("").0, "malformed");
    assert_eq!(with("[]").0, "malformed");
    assert_eq!(with(r#"{"v":1,"v":1}"#).0, "malformed");
    assert_eq!(
        with(r#"{"v":1,"limits":{"calls":1.5}}"#),
        ("malformed", "limits.calls".into(), "expected an integer: no fraction, no exponent".into())
    );
    assert_eq!(with(&format!("{{\"a\":{}{}}}", "[".repeat(20), "]".repeat(20))).0, "malformed");
    assert_eq!(with("{}").0, "version");
    assert_eq!(with(r#"{"v":2,"office":"BRU"}"#).0, "version");
    assert_eq!(with(r#"{"v":1}"#).1, "office");
    assert_eq!(with(r#"{"v":1,"office":"bru"}"#).1, "office");
    assert_eq!(with(r#"{"v":1,"office":"BRU"}"#).1, "revision");
    assert_eq!(with(r#"{"v":1,"office":"BRU","revision":0}"#).1, "revision");
    assert_eq!(with(r#"{"v":1,"office":"BRU","revision":"1"}"#).1, "revision");
}

#[test]
fn every_bad_part_is_named_by_its_path() {
    let long = "x".repeat(1100);
    for (pointer, value, part, words) in [
        ("/issued", Value::Null, "issued", "2026-11-21T09:00:00Z"),
        ("/issued", json!("today"), "issued", "2026-11-21T09:00:00Z"),
        ("/not-after", json!(7), "not-after", "a text"),
        ("/probation", json!("2h"), "probation", "at most 1h"),
        ("/probation", json!("60"), "probation", "unit"),
        ("/links", json!({}), "links", "a list"),
        ("/links/1", json!("par"), "links[1]", "an object"),
        ("/links/1/id", Value::Null, "links[1].id", "not there"),
        ("/links/1/id", json!("a b"), "links[1].id", "expected"),
        ("/links/1/id", json!("par-sip"), "links[1].id", "twice"),
        ("/links/1/kind", json!("Pigeon"), "links[1].kind", "SipTrunk"),
        ("/links/1/office", json!("par"), "links[1].office", ""),
        ("/links/1/office", Value::Null, "links[1].office", "expected the office"),
        ("/links/1/office", json!("BRU"), "links[1].office", "another office"),
        ("/links/2/address", json!("http://x"), "links[2].address", "expected"),
        ("/links/2/address", json!(long), "links[2].address", "1024"),
        ("/links/1/address", json!("sip:par.example"), "links[1].address", "iax2"),
        ("/links/0/cost", json!(-1), "links[0].cost", "from 0"),
        ("/links/0/cost", json!("1"), "links[0].cost", "from 0"),
        ("/links/0/priority", json!(70000), "links[0].priority", "65535"),
        ("/links/0/max-calls", json!(0), "links[0].max-calls", "from 1"),
        ("/links/0/disabled", json!("no"), "links[0].disabled", "true or false"),
        ("/links/0/health", json!(true), "links[0].health", "an object"),
        ("/links/0/health/probe", json!("1ms"), "links[0].health.probe", "expected"),
        ("/links/0/health/fail-after", json!(0), "links[0].health.fail-after", "from 1"),
        ("/links/3/credentials", json!("a b"), "links[3].credentials", "expected"),
        ("/links/3/credentials", Value::Null, "links[3].register", "credentials"),
        ("/links/3/register", json!("1s"), "links[3].register", "60 seconds"),
        ("/links/3/password", json!("tr0ub4dor"), "links[3].password", "credentials"),
        ("/routes/1/pattern", json!("0 *"), "routes[1].pattern", "expected"),
        ("/routes/1/links", json!([]), "routes[1].links", "1 to 16"),
        ("/routes/1/links", json!(["nowhere"]), "routes[1].links", "nowhere"),
        ("/routes/1/links", json!(["pstn", "pstn"]), "routes[1].links", "twice"),
        ("/routes/1/links", json!(["pstn", 7]), "routes[1].links[1]", "a text"),
        ("/routes/0/office", json!("Paris!"), "routes[0].office", ""),
        ("/routes/2/strip", json!(1), "routes[2].number", "either"),
        ("/routes/1/strip", json!(99), "routes[1].strip", "40"),
        ("/routes/1/prefix", json!("<>"), "routes[1].prefix", "expected"),
        ("/emergency/1", json!("one-one-two"), "emergency[1]", ""),
        ("/emergency", json!(vec!["100"; 33]), "emergency", "at most 32"),
        ("/emergency-links", json!(["nowhere"]), "emergency-links", "nowhere"),
        ("/limits", json!([]), "limits", "an object"),
        ("/limits/calls", json!(0), "limits.calls", "from 1"),
        ("/links/0/price", json!(-1), "links[0].price", "from 0"),
    ] {
        let (found, reason) = flaw(pointer, value);
        assert_eq!(found, part, "{pointer}: {reason}");
        assert!(reason.contains(words), "{pointer}: {reason}");
        assert!(!reason.contains("tr0ub4dor"));
    }
}

#[test]
fn counts_are_bounded() {
    let route = json!({ "pattern": "0*", "links": ["pstn"] });
    assert_eq!(flaw("/routes", json!(vec![route; check::MOST_ROUTES + 1])).0, "routes");
    assert_eq!(flaw("/links", json!(vec![json!({}); check::MOST_LINKS + 1])).0, "links");
    let link = |place: usize| json!({ "id": format!("l{place}"), "kind": "SipTrunk", "office": format!("O{place}"), "address": "sips:x.example" });
    let links: Vec<Value> = (0..=check::MOST_OFFICES).map(link).collect();
    assert!(flaw("/links", json!(links)).1.contains("500 other offices"));
}

#[test]
fn ten_thousand_routes_are_received() {
    let mut large = good();
    let route = |number: usize| {
        json!({ "pattern": format!("+33{number:05}*"), "office": "PAR", "links": ["par-sip", "par-iax", "gateway", "pstn"],
                "priority": 1, "cost": 5, "strip": 0, "prefix": "" })
    };
    large["routes"] = (0..check::MOST_ROUTES).map(route).collect();
    let text = signed(&large);
    assert!(text.len() < LONGEST_SET);
    let Ok(Accepted::New { table, .. }) = came(&text, &Watermark::default(), NOW) else { panic!("refused") };
    assert_eq!(table.routes().len(), check::MOST_ROUTES);
}

#[test]
fn a_set_is_issued_anew_under_the_next_revision() {
    let old = set(&good()).signed(&OPS).unwrap();
    let next = next_revision(old.revision()).unwrap();
    let new = old.reissued(next, Moment(WallTime(NOW.0 + 1000))).unwrap();
    assert!(!new.is_signed() && new.revision() == Revision(43));
    assert_eq!(new.fields()["issued"], "2026-11-21T09:00:01Z");
    let new = new.signed(&OPS).unwrap();
    assert_eq!(new.verify(&trusted()).unwrap(), OPS.id());
    assert_ne!(new.digest().unwrap(), old.digest().unwrap());
    assert_eq!(RouteSet::read(&new.write()).unwrap(), new);
}

fn any_field() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["5s", "PAR", "par-sip", "0*", "sip:a.example", "112"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z-]{1,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Where a value of the good set stands.
fn pointers() -> impl Strategy<Value = String> {
    fn gather(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(place, item)| gather(item, &format!("{path}/{place}"), found));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(key, field)| gather(field, &format!("{path}/{key}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    gather(&good(), "", &mut found);
    found.remove(0);
    prop::sample::select(found)
}

proptest! {
    #[test]
    fn a_signed_set_comes_back_with_every_field(extra in prop::collection::btree_map("x-[a-z]{1,6}", any_field(), 0..5)) {
        let mut value = good();
        value.as_object_mut().unwrap().extend(extra);
        let text = signed(&value);
        let read = RouteSet::read(&text).unwrap();
        prop_assert_eq!(read.write(), text);
        let mut unsigned = read.fields().clone();
        unsigned.remove("signature");
        prop_assert_eq!(canonical(&Value::Object(unsigned)).unwrap(), canonical(&value).unwrap());
        let accepted = came(&read.write(), &Watermark::default(), NOW);
        let is_new = matches!(accepted, Ok(Accepted::New { .. }));
        prop_assert!(is_new, "{:?}", accepted);
    }

    /// Whatever stands anywhere: no panic, and a refusal names a part of the document.
    #[test]
    fn any_value_anywhere_is_taken_or_refused(pointer in pointers(), value in any_field()) {
        let mut changed = good();
        *changed.pointer_mut(&pointer).unwrap() = value;
        if let Ok(set) = RouteSet::new(changed.as_object().unwrap().clone())
            && let Err(refusal) = check(&set)
        {
            prop_assert!(!refusal.part.is_empty() && !refusal.reason.is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(came(&bytes, &Watermark::default(), NOW).is_err());
    }
}
