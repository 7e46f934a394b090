//! Many offices, one broker, and everything that can go wrong between them.
//!
//! Offices lose the broker and find it again, hear entries late and twice, and in any order that MQTT allows (one topic's
//! messages do not overtake each other), crash and restart with what had reached the flash; their clocks differ. After healing all caches agree, on something at least as new as anything that
//! was left of the past, and true: whoever has a device somewhere is found where one is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::engine::numbering::OfficeId;
use crate::time::WallTime;

const OFFICES: [&str; 4] = ["BRU", "NYC", "PAR", "ROM"];
const USERS: usize = 2;
const START: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    SignIn(usize, usize),
    SignOut(usize, usize),
    Cut(usize),
    Join(usize),
    /// Deliver one waiting entry, whichever; perhaps it comes again.
    Deliver {
        office: usize,
        which: usize,
        again: bool,
    },
    /// Restart, with or without the changes that were not yet on flash.
    Crash {
        office: usize,
        torn: bool,
    },
    Flush(usize),
    Tick(usize),
    Wait(u64),
}

struct Office {
    id: OfficeId,
    cache: Roaming,
    /// Seconds by which its clock is ahead of the slowest.
    skew: u64,
    devices: BTreeMap<Aor, WallTime>,
    flash: BTreeMap<Aor, (RoamingEntry, Second)>,
    unflushed: Vec<RoamingChange>,
    is_connected: bool,
    outbox: Vec<RoamingEntry>,
    inbox: Vec<RoamingEntry>,
}

struct World {
    offices: Vec<Office>,
    retained: BTreeMap<Aor, RoamingEntry>,
    seconds: u64,
}

fn user(number: usize) -> Aor {
    let home = OFFICES.get(number).copied().unwrap_or("BRU");
    Aor { home: home.parse().unwrap(), extension: format!("32-100{number}").parse().unwrap() }
}

fn empty_cache(id: OfficeId) -> Roaming {
    Roaming::new(id, RoamingSettings { capacity: 64, offices: 8, ..RoamingSettings::default() }, [3, 5])
}

impl Office {
    fn new(id: &str, skew: u64) -> Self {
        let id = id.parse().unwrap();
        Self {
            id,
            cache: empty_cache(id),
            skew,
            devices: BTreeMap::new(),
            flash: BTreeMap::new(),
            unflushed: Vec::new(),
            is_connected: true,
            outbox: Vec::new(),
            inbox: Vec::new(),
        }
    }

    fn flush(&mut self) {
        for change in self.unflushed.drain(..) {
            match change {
                RoamingChange::Put { entry, heard } => {
                    drop(self.flash.insert(entry.aor.clone(), (entry, heard)));
                }
                RoamingChange::Forget(aor) => drop(self.flash.remove(&aor)),
            }
        }
    }

    fn restart(&mut self, now: WallTime) {
        self.cache = empty_cache(self.id);
        for (entry, heard) in self.flash.values() {
            self.cache.restore(entry, *heard).unwrap();
        }
        for (aor, since) in &self.devices {
            self.cache.resume(aor, *since);
        }
        self.cache.settle(now);
    }
}

impl World {
    fn new(skews: [u64; 4]) -> Self {
        let offices = OFFICES.iter().zip(skews).map(|(id, skew)| Office::new(id, skew)).collect();
        Self { offices, retained: BTreeMap::new(), seconds: 0 }
    }

    fn now(&self, office: usize) -> WallTime {
        WallTime((START + self.seconds + self.offices[office].skew) * 1000)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::SignIn(office, number) => {
                let now = self.now(office);
                self.offices[office].devices.insert(user(number), now);
                self.offices[office].cache.sign_in(&user(number), now).unwrap();
            }
            Step::SignOut(office, number) => {
                let now = self.now(office);
                self.offices[office].devices.remove(&user(number));
                self.offices[office].cache.sign_out(&user(number), now).unwrap();
            }
            Step::Cut(office) => {
                self.offices[office].is_connected = false;
                self.offices[office].inbox.clear();
            }
            Step::Join(office) => self.join(office),
            Step::Deliver { office, which, again } => {
                let now = self.now(office);
                let office = &mut self.offices[office];
                if !office.inbox.is_empty() {
                    // In any order, but of one extension (one topic) in the order in which the broker had them.
                    let aor = office.inbox[which % office.inbox.len()].aor.clone();
                    let which = office.inbox.iter().position(|entry| entry.aor == aor).unwrap();
                    let entry = if again { office.inbox[which].clone() } else { office.inbox.remove(which) };
                    office.cache.merge(&entry, now);
                }
            }
            Step::Crash { office, torn } => {
                let now = self.now(office);
                let office = &mut self.offices[office];
                if torn {
                    office.unflushed.clear();
                }
                office.flush();
                office.restart(now);
                // A new process subscribes anew, and so hears what is retained once more.
                office.is_connected = false;
                office.inbox.clear();
            }
            Step::Flush(office) => self.offices[office].flush(),
            Step::Tick(office) => {
                let now = self.now(office);
                self.offices[office].cache.handle_time(now);
            }
            Step::Wait(seconds) => self.seconds += seconds,
        }
        self.collect();
    }

    fn join(&mut self, number: usize) {
        let office = &mut self.offices[number];
        if office.is_connected {
            return;
        }
        office.is_connected = true;
        let mut said: Vec<_> = std::mem::take(&mut office.outbox);
        office.inbox.extend(self.retained.values().cloned());
        said.extend(office.cache.own_entries());
        for entry in said {
            self.publish(number, entry);
        }
    }

    /// What the caches have to say goes to the flash's queue and to the broker, or to the outbox.
    fn collect(&mut self) {
        for number in 0..self.offices.len() {
            let office = &mut self.offices[number];
            while let Some(change) = office.cache.poll_change() {
                office.unflushed.push(change);
            }
            while let Some(entry) = self.offices[number].cache.poll_publication() {
                self.publish(number, entry);
            }
        }
    }

    fn publish(&mut self, from: usize, entry: RoamingEntry) {
        if !self.offices[from].is_connected {
            return self.offices[from].outbox.push(entry);
        }
        self.retained.insert(entry.aor.clone(), entry.clone());
        for office in self.offices.iter_mut().filter(|office| office.is_connected) {
            office.inbox.push(entry.clone());
        }
    }

    /// The newest that is left anywhere.
    fn newest(&self) -> BTreeMap<Aor, RoamingEntry> {
        let known = self.offices.iter().flat_map(|office| office.cache.iter());
        let under_way =
            self.offices.iter().flat_map(|office| office.inbox.iter().chain(&office.outbox)).cloned();
        let mut newest: BTreeMap<Aor, RoamingEntry> = BTreeMap::new();
        for entry in known.chain(under_way).chain(self.retained.values().cloned()) {
            let merged = match newest.remove(&entry.aor) {
                Some(known) => known.merged(entry.clone()),
                None => entry.clone(),
            };
            newest.insert(entry.aor, merged);
        }
        newest
    }

    /// Everybody finds the broker; then a quarter of an hour passes in which nobody moves.
    fn heal(&mut self) {
        for office in 0..self.offices.len() {
            self.step(Step::Join(office));
        }
        for _ in 0..15 {
            self.deliver_all();
            self.step(Step::Wait(60));
            for office in 0..self.offices.len() {
                self.step(Step::Tick(office));
            }
        }
        self.deliver_all();
    }

    fn deliver_all(&mut self) {
        for _ in 0..1_000 {
            let waiting = (0..self.offices.len()).find(|office| !self.offices[*office].inbox.is_empty());
            let Some(office) = waiting else { return };
            self.step(Step::Deliver { office, which: 0, again: false });
        }
        panic!("they talk without end");
    }

    fn check(&self, before: &BTreeMap<Aor, RoamingEntry>) -> Result<(), TestCaseError> {
        for aor in (0..USERS).map(user) {
            let all: BTreeSet<_> = self
                .offices
                .iter()
                .map(|office| format!("{:?}", office.cache.known(&aor).map(|known| known.0)))
                .collect();
            prop_assert_eq!(all.len(), 1, "they disagree: {:#?}", all);
            let agreed = self.offices[0].cache.known(&aor).map(|known| known.0);
            let hosts: BTreeSet<_> = self
                .offices
                .iter()
                .filter(|office| office.devices.contains_key(&aor))
                .map(|office| office.id)
                .collect();
            let is_here = agreed.as_ref().is_some_and(|entry| entry.presence == Presence::Here);
            prop_assert_eq!(is_here, !hosts.is_empty(), "{:?} but devices in {:?}", agreed, hosts);
            if let Some(entry) = &agreed {
                prop_assert!(!is_here || hosts.contains(&entry.version.office), "{:?}, {:?}", entry, hosts);
            }
            if let Some(past) = before.get(&aor) {
                let is_at_least = agreed.as_ref().is_some_and(|entry| entry.newness(past).is_ge());
                prop_assert!(is_at_least, "{:?} is older than {:?}", agreed, past);
            }
        }
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let office = || 0..OFFICES.len();
    let both = || (0..OFFICES.len(), 0..USERS);
    prop_oneof![
        4 => both().prop_map(|(office, user)| Step::SignIn(office, user)),
        2 => both().prop_map(|(office, user)| Step::SignOut(office, user)),
        2 => office().prop_map(Step::Cut),
        2 => office().prop_map(Step::Join),
        12 => (office(), any::<usize>(), any::<bool>())
            .prop_map(|(office, which, again)| Step::Deliver { office, which, again }),
        1 => (office(), any::<bool>()).prop_map(|(office, torn)| Step::Crash { office, torn }),
        2 => office().prop_map(Step::Flush),
        2 => office().prop_map(Step::Tick),
        2 => prop_oneof![1..120_u64, 600..9_000_u64].prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn all_caches_agree_after_healing(
        steps in prop::collection::vec(step(), 0..120),
        skews in [0..280_u64, 0..280_u64, 0..280_u64, 0..20_000_u64],
    ) {
        let mut world = World::new(skews);
        for step in steps {
            world.step(step);
        }
        let before = world.newest();
        world.heal();
        world.check(&before)?;
    }
}
