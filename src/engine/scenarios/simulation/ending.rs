//! The end: everything heals, everybody hangs up, and then nothing may be left, and all must agree.

use std::time::Duration;

use super::agent::Kind;
use super::disk::Disk;
use super::office::{OFFICES, Wish, empty_table, settings};
use super::wan::{Mood, PathId};
use super::world::World;
use crate::engine::Input;
use crate::engine::numbering::OfficeId;
use crate::engine::roaming::{Aor, Whereabouts};
use crate::engine::routing::LinkState;
use crate::engine::settings::{RoutingSettings, Settings};

impl World {
    /// Heals, settles, and looks at what is left.
    pub(super) fn ends(&mut self) {
        self.goes_on = false;
        self.clocks_are_set();
        self.heals();
        self.run(Duration::from_secs(20));
        self.everybody_hangs_up();
        self.everybody_signs_in();
        self.run(Duration::from_secs(45));
        self.links_are_up();
        self.caches_agree();
        self.links_go();
        self.all_is_accounted();
        for office in 0..self.offices.len() {
            self.disconnects(office);
        }
        // Longer than the calls whose other end fell may last: their session timers end them.
        self.run(Duration::from_secs(1_900));
        self.nothing_is_left();
        let unwritten = self.judge.unwritten();
        self.judge.violations.extend(unwritten);
        let before = self.transmitted;
        self.run(Duration::from_secs(600));
        let said = self.transmitted - before;
        self.judge.require(said == 0, || format!("engines still say {said} things after the end"));
    }

    fn heals(&mut self) {
        self.note(|| "everything heals".to_owned());
        let paths: Vec<PathId> = self.wan.paths.keys().copied().collect();
        for id in paths {
            self.path_becomes(id, Mood::Open);
            if let Some(path) = self.wan.paths.get_mut(&id) {
                path.loss = 0;
            }
        }
        let all = Wish::all(self.offices.len());
        for office in 0..self.offices.len() {
            if self.offices[office].engine.is_none() {
                self.starts(office);
            }
            self.disconnects(office);
            self.connects(office);
            self.ops_want(office, &all);
        }
    }

    pub(super) fn everybody_hangs_up(&mut self) {
        // Nobody waits any longer for an answer that was still to come.
        self.helped.clear();
        for agent in 0..self.agents.len() {
            let lines: Vec<_> = self.agents[agent].lines.keys().cloned().collect();
            for line in lines {
                self.agents[agent].hangs_up(&line);
            }
            self.agent_wants(agent);
        }
    }

    fn everybody_signs_in(&mut self) {
        for agent in 0..self.agents.len() {
            if self.agents[agent].kind == Kind::Phone {
                self.agents[agent].signs_in();
                self.agent_wants(agent);
            }
        }
    }

    fn links_are_up(&mut self) {
        for office in &self.offices {
            let Some(engine) = &office.engine else { continue };
            let down = |view: &crate::engine::routing::LinkView| view.state == LinkState::Down;
            let still: Vec<_> = engine
                .router()
                .links
                .overview()
                .filter(down)
                .map(|view| (view.link.id.to_string(), view.failure))
                .collect();
            self.judge.require(still.is_empty(), || format!("{}: {still:?} are still down", office.name));
        }
    }

    /// Every office finds every user, and all at the same place: where the user signed in last.
    fn caches_agree(&mut self) {
        let users: Vec<_> = self.agents.iter().filter(|agent| agent.kind == Kind::Phone).collect();
        let mut wrong = Vec::new();
        for agent in users {
            let (home, country) = OFFICES[agent.home];
            let extension = format!("{country}-{}", agent.login.0).parse().unwrap();
            let aor = Aor { home: home.parse().unwrap(), extension };
            if !agent.is_registered {
                wrong.push(format!("{aor} could not sign in at {}", agent.office));
                continue;
            }
            let mut there: OfficeId = OFFICES[agent.office].0.parse().unwrap();
            for (number, office) in self.offices.iter().enumerate() {
                let Some(roaming) = office.engine.as_ref().and_then(|engine| engine.roaming()) else {
                    continue;
                };
                let own: OfficeId = office.name.parse().unwrap();
                let found = match roaming.locate(&aor, self.clock(number).wall) {
                    Whereabouts::Local => own,
                    Whereabouts::Visiting { office, .. } | Whereabouts::Home { office, .. } => office,
                };
                if self.is_wild && number == 0 {
                    // A clock that was days off may have made an older sign-in the later one; but all must say so.
                    there = found;
                }
                if found != there {
                    let known = roaming.known(&aor);
                    wrong.push(format!("{own} looks for {aor} in {found}, not in {there}: {known:?}"));
                }
            }
        }
        self.judge.violations.extend(wrong);
    }

    fn links_go(&mut self) {
        for office in 0..self.offices.len() {
            let revision = self.offices[office].table.revision().0 + 1;
            self.feed(office, Input::Routes(empty_table(office, revision)));
            let settings = settings(office, self.offices[office].most_calls);
            let settings = Settings { routing: RoutingSettings::default(), ..settings };
            self.feed(office, Input::Settings(Box::new(settings)));
        }
    }

    fn nothing_is_left(&mut self) {
        for office in &mut self.offices {
            let Some(engine) = &mut office.engine else { continue };
            let left = engine.residue();
            let name = office.name;
            self.judge.require(left.is_empty(), || format!("{name} has left over: {left:?}"));
            let ledger = &office.ledger;
            self.judge.require(ledger.is_settled(), || format!("{name} left media open: {ledger:?}"));
        }
    }

    pub(super) fn all_is_accounted(&mut self) {
        // A receipt may be lost each time; then the event is told again with the next session.
        for _ in 0..40 {
            let is_told = |disk: &Disk| disk.outbox.is_empty() && disk.outbox.losses().total() == 0;
            if self.offices.iter().all(|office| is_told(&office.disk)) {
                break;
            }
            for office in 0..self.offices.len() {
                self.disconnects(office);
                self.connects(office);
            }
            self.run(Duration::from_secs(1));
        }
        let broker = &self.broker;
        let missing = self.judge.lost(|office, call| broker.knows(office, call));
        self.judge.violations.extend(missing);
        let miscounted = self.judge.miscounted();
        self.judge.violations.extend(miscounted);
    }
}
