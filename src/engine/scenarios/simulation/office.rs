//! One office: a real engine, its flash, its session with the broker, and what it starts from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::broker::Topic;
use super::chance::Chance;
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
    /// When the broker hears what the office said last of events.
    pub(super) said: Option<Instant>,
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
    /// By how many milliseconds its clock is ahead.
    pub(super) skew: i64,
    /// Most calls that it takes.
    pub(super) most_calls: usize,
    /// Its flash.
    pub(super) disk: Disk,
    /// What its media worker was told.
    pub(super) ledger: Ledger,
    /// Its session with the broker.
    pub(super) session: Session,
    /// What the next start finds on flash.
    pub(super) found: Found,
    /// The table in force.
    pub(super) table: Arc<RouteTable>,
    /// The last table that ops pushed, which may be on its way.
    pub(super) wanted: Arc<RouteTable>,
    /// The links of the table in force: where each leads, and since when it does.
    pub(super) links: BTreeMap<String, (String, Instant)>,
}

impl Office {
    /// A table is in force.
    pub(super) fn takes(&mut self, table: &Arc<RouteTable>, now: Instant) {
        let known = std::mem::take(&mut self.links);
        for link in table.links() {
            let (name, leads) = (link.id.to_string(), format!("{:?}", link.address));
            let since =
                known.get(&name).filter(|(before, _)| *before == leads).map_or(now, |(_, since)| *since);
            self.links.insert(name, (leads, since));
        }
        self.table = Arc::clone(table);
    }

    /// Whether a link is in force, and was at `since`; those that the site has of its own always are.
    pub(super) fn has_link(&self, name: &str, since: Instant) -> bool {
        name.starts_with("own-") || self.links.get(name).is_some_and(|(_, known)| *known <= since)
    }
}

/// What ops want of an office.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Which links to each other office it has.
    pub(super) links: Vec<[bool; 2]>,
    /// Which of two is the cheaper.
    pub(super) first: usize,
    /// Goes up when all links shall lead to another address.
    pub(super) generation: usize,
    /// Whether it has a carrier besides its own.
    pub(super) carrier: bool,
}

impl Wish {
    /// Everything.
    pub(super) fn all(offices: usize) -> Self {
        Self { links: vec![[true; 2]; offices], first: 0, generation: 0, carrier: true }
    }

    /// Whatever comes.
    pub(super) fn any(offices: usize, chance: &mut Chance) -> Self {
        let mut one = |_| match chance.below(20) {
            0..13 => [true, true],
            13..16 => [true, false],
            16..19 => [false, true],
            _ => [false, false],
        };
        let mut links: Vec<_> = (0..offices).map(&mut one).collect();
        if chance.percent(5) {
            links.fill([false; 2]);
        }
        let generation = if chance.percent(15) { chance.below(3) } else { 0 };
        Self { links, first: chance.below(2), generation, carrier: chance.percent(85) }
    }
}

/// Bindings and entries on flash.
pub(super) type Found = (Vec<Binding>, Vec<(RoamingEntry, Second)>);

/// The federation's key.
pub(super) fn keyring() -> Keyring {
    Keyring::parse(&format!("1:{}", "c4".repeat(32))).unwrap()
}

/// The settings of an office.
pub(super) fn settings(number: usize, most_calls: usize) -> Settings {
    let (name, country) = OFFICES[number];
    let numbers = NumberPlan::new(CountryCode::new(country), 2..=5, EmergencyNumbers::default(), []).unwrap();
    let mut settings = testing::settings();
    settings.media.phone_ports =
        (0..200).map(|n| PortNumbers { rtp: 20_000 + 2 * n, rtcp: 20_001 + 2 * n }).collect();
    settings.calls.max = most_calls;
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

/// A route set for an office: the links and routes that ops want.
pub(super) fn table(number: usize, revision: u64, wish: &Wish) -> Arc<RouteTable> {
    let mut links = Vec::new();
    let mut routes = Vec::new();
    let others = OFFICES.iter().zip(&wish.links).enumerate().filter(|(other, _)| *other != number);
    for (other, ((name, _), wanted)) in others {
        let low = name.to_lowercase();
        let which: Vec<_> = (0..2).filter(|which| wanted[*which]).collect();
        for which in &which {
            let host = format!("{low}-{which}-{other}-{}.example", wish.generation);
            let mut one = link(&format!("{low}-{which} SipTrunk {name} sips:{host}"));
            one.cost = u32::from(*which != wish.first);
            links.push(one);
        }
        let names: Vec<_> = which.iter().map(|which| format!("{low}-{which}")).collect();
        if !names.is_empty() {
            routes.push(route(&format!("{name}-* {}", names.join(","))));
        }
    }
    let second = 2 * number + 1;
    if wish.carrier {
        links.push(link(&format!("out-{second} PstnGateway - sip:out-{second}.example")));
        routes.push(route(&format!("0* out-{second}")));
    }
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
