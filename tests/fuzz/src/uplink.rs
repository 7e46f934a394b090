//! What comes over MQTT: the first byte says whether the rest is a topic, a document, a signature or a route set.
//!
//! A route set is signed here before it is received, because no fuzzer finds a signature: what is behind it is reached.

use std::sync::LazyLock;

use branchline::time::WallTime;
use branchline::uplink::route_set::{Acceptance, Accepted, RouteSet, check, receive};
use branchline::uplink::{
    CommandDocument, Document, Event, HealthReport, JsonBounds, OfficeId, Reported, RoamingDocument,
    SigningKey, Status, Topic, TrustedKeys, VisitorDocument, Watermark, canonical, parse_json,
};

struct Ops {
    key: SigningKey,
    trusted: TrustedKeys,
    office: OfficeId,
}

static OPS: LazyLock<Ops> = LazyLock::new(|| {
    let key = SigningKey::from_seed("ops".parse().expect("a name"), [7; 32].into()).expect("a key");
    let mut trusted = TrustedKeys::new();
    trusted.trust(key.id().clone(), key.public()).expect("room for a key");
    Ops { key, trusted, office: "BRU".parse().expect("an office") }
});

/// See the module.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice {
        b't' => topic(rest),
        b'd' => documents(rest),
        b's' => signature(rest),
        b'j' => json(rest),
        _ => route_set(rest),
    }
}

fn topic(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(topic) = text.parse::<Topic>() {
        assert_eq!(topic.to_string(), text, "a topic is written one way");
    }
}

fn documents(text: &[u8]) {
    fn both_ways<D: Document + PartialEq + std::fmt::Debug>(text: &[u8]) {
        if let Ok(document) = D::read(text) {
            assert_eq!(D::read(&document.write()).expect("what we write can be read"), document);
        }
    }
    both_ways::<Status>(text);
    both_ways::<HealthReport>(text);
    both_ways::<Reported>(text);
    both_ways::<RoamingDocument>(text);
    both_ways::<VisitorDocument>(text);
    both_ways::<CommandDocument>(text);
    // An event's body may have fractions, whose last digit a reader may round.
    let _ = Event::read(text);
}

fn signature(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let _ = OPS.trusted.verify(text, b"{}");
}

fn json(text: &[u8]) {
    let bounds = JsonBounds { bytes: 8192, depth: 16, values: 2000 };
    if let Ok(value) = parse_json(text, &bounds) {
        let text = canonical(&value).expect("what was read has a canonical form");
        let again = parse_json(text.as_bytes(), &JsonBounds { bytes: usize::MAX, ..bounds });
        assert_eq!(again.as_ref(), Ok(&value), "the canonical form says the same");
    }
}

fn route_set(text: &[u8]) {
    let watermark = Watermark::default();
    let acceptance = Acceptance {
        office: OPS.office,
        trusted: &OPS.trusted,
        watermark: &watermark,
        now: WallTime(1_795_251_600_000),
    };
    assert!(receive(text, &acceptance).is_err(), "nobody signed it");
    let Ok(set) = RouteSet::read(text) else { return };
    let checked = check(&set);
    let digest = set.digest().expect("what was read has a digest");
    let signed = set.signed(&OPS.key).expect("what was read can be signed");
    assert_eq!(signed.digest(), Ok(digest), "the signature is not in the digest");
    match receive(&signed.write(), &acceptance) {
        Ok(Accepted::New { table, .. }) => {
            let (expected, _) = checked.expect("what is received passes the check");
            assert_eq!(table.routes(), expected.routes());
        }
        Ok(Accepted::InForce) => unreachable!("nothing is in force"),
        Err(rejection) => assert!(!rejection.reason.as_str().is_empty()),
    }
}
