//! One office: a real engine, its flash, its session with the broker, and what it starts from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::broker::Topic;
use super::disk::Disk;
use crate::engine::numbering::{CountryCode, EmergencyNumbers, NumberPlan};
use crate::engine::registrar::{Account, Accounts, Binding};
use crate::engine::roaming::{Keyring, RoamingEntry, Second};
use crate::engine::routing::tests::{link, parts, route};
use crate::engine::routing::{Revision, RouteTable};
use crate::engine::scenarios::ledger::Ledger;
use crate::engine::settings::{RateSettings, RoutingSettings, Settings};
use crate::engine::{Engine, Publication, testing};
use crate::media::PortNumbers;
use crate::sip::digest::UserKeys;

/// Names and countries of the offices.
pub(super) const OFFICES: [(&str, u16); 8] =
    [("BRU", 32), ("PAR", 33), ("NYC", 1), ("LON", 44), ("BER", 49), ("ROM", 39), ("MAD", 34), ("AMS", 31)];

/// Users of each office: 1001 and on.
pub(super) const USERS: usize = 2;

/// What an office does with the broker.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Whether there is one.
    pub(super) is_up: bool,
    /// Which one.
    pub(super) number: u32,
    /// When it hears what the broker said last.
    pub(super) told: Option<Instant>,
    /// What the broker has not acknowledged; the newest of each topic.
    pub(super) pending: BTreeMap<Topic, (u64, Publication)>,
    /// Numbers what is pending.
    pub(super) last: u64,
}

/// One office.
pub(super) struct Office {
    /// Its name.
    pub(super) name: &'static str,
    /// Its engine; none while the box is down.
    pub(super) engine: Option<Engine>,
    /// How often it was started.
    pub(super) boot: u32,
    /// When it was started last.
    pub(super) started: Instant,
    /// When its engine wants to be woken.
    pub(super) deadline: Option<Instant>,
    /// Whether the box, when it is down, says so by resetting connections.
    pub(super) falls_loudly: bool,
    /// By how much its clock is ahead.
    pub(super) skew: Duration,
    /// Its flash.
    pub(super) disk: Disk,
    /// What its media worker was told.
    pub(super) ledger: Ledger,
    /// Its session with the broker.
    pub(super) session: Session,
    /// What the next start finds on flash.
    pub(super) found: Found,
    /// The last table that was pushed.
    pub(super) table: Arc<RouteTable>,
}

/// Bindings and entries on flash.
pub(super) type Found = (Vec<Binding>, Vec<(RoamingEntry, Second)>);

/// The federation's key.
pub(super) fn keyring() -> Keyring {
    Keyring::parse(&format!("1:{}", "c4".repeat(32))).unwrap()
}

/// The settings of an office.
pub(super) fn settings(number: usize) -> Settings {
    let (name, country) = OFFICES[number];
    let numbers = NumberPlan::new(CountryCode::new(country), 2..=5, EmergencyNumbers::default(), []).unwrap();
    let mut settings = testing::settings();
    settings.media.phone_ports =
        (0..200).map(|n| PortNumbers { rtp: 20_000 + 2 * n, rtcp: 20_001 + 2 * n }).collect();
    let own = link(&format!("own-{} PstnGateway - sip:own-{}.example", 2 * number, 2 * number));
    let routing = RoutingSettings { links: vec![Arc::new(own)], ..RoutingSettings::default() };
    Settings {
        office: name.to_owned(),
        numbers: numbers.of_office(name.parse().unwrap()),
        asterisk: None,
        rate: RateSettings { per_second: 1_000, burst: 1_000 },
        routing,
        ..settings
    }
}

/// The password of a user.
pub(super) fn password(office: usize, user: &str) -> String {
    format!("pw-{office}-{user}")
}

/// The users of an office.
pub(super) fn accounts(number: usize) -> Accounts {
    (1001..1001 + USERS)
        .map(|user| Account {
            extension: user.to_string().parse().unwrap(),
            display_name: None,
            keys: UserKeys::new(&user.to_string(), "branchline", &password(number, &user.to_string())),
            token_hash: [0; 32],
        })
        .collect()
}

/// A route set for an office: to each other one over two links, of which `first` is the cheaper, and out over its second
/// carrier.
pub(super) fn table(number: usize, offices: usize, revision: u64, first: usize) -> Arc<RouteTable> {
    let mut links = Vec::new();
    let mut routes = Vec::new();
    for (other, (name, _)) in OFFICES.iter().enumerate().take(offices).filter(|(other, _)| *other != number) {
        let low = name.to_lowercase();
        for which in 0..2 {
            let mut one = link(&format!("{low}-{which} SipTrunk {name} sips:{low}-{which}-{other}.example"));
            one.cost = u32::from(which != first);
            links.push(one);
        }
        routes.push(route(&format!("{name}-* {low}-0,{low}-1")));
    }
    let second = 2 * number + 1;
    links.push(link(&format!("out-{second} PstnGateway - sip:out-{second}.example")));
    routes.push(route(&format!("0* out-{second}")));
    let mut parts = parts(links, routes);
    parts.office = OFFICES[number].0.parse().unwrap();
    parts.revision = Revision(revision);
    Arc::new(RouteTable::new(parts).unwrap())
}

/// A route set without anything.
pub(super) fn empty_table(number: usize, revision: u64) -> Arc<RouteTable> {
    let mut parts = parts(Vec::new(), Vec::new());
    parts.office = OFFICES[number].0.parse().unwrap();
    parts.revision = Revision(revision);
    Arc::new(RouteTable::new(parts).unwrap())
}
