//! What goes between offices and the broker, and from there to ops.

use std::sync::Arc;
use std::time::Duration;

use super::broker::{heard, topic};
use super::disk::Write;
use super::world::{Event, World};
use crate::engine::routing::RouteTable;
use crate::engine::{Input, Publication, RoamingInput};

/// How often an office hears that its session lives.
const CONFIRM: Duration = Duration::from_secs(10);

impl World {
    /// An office says something: the newest of each topic waits until the broker has it.
    pub(super) fn publish(&mut self, office: usize, publication: Publication) {
        let session = &mut self.offices[office].session;
        session.last += 1;
        let (topic, number, version) = (topic(&publication), session.number, session.last);
        session.pending.insert(topic.clone(), (version, publication));
        if session.is_up {
            let span = self.chance.millis(1, 80);
            self.after(span, Event::Published(office, number, topic, version));
        }
    }

    /// A session begins: what the broker keeps is told, what waits is said.
    pub(super) fn connects(&mut self, office: usize) {
        if self.offices[office].session.is_up || self.offices[office].engine.is_none() {
            return;
        }
        let name = self.offices[office].name;
        self.note(|| format!("{name} has a broker"));
        let session = &mut self.offices[office].session;
        session.is_up = true;
        session.number += 1;
        (session.told, session.said) = (None, None);
        let number = session.number;
        let waiting: Vec<_> =
            session.pending.iter().map(|(topic, (version, _))| (topic.clone(), *version)).collect();
        self.offices[office].disk.outbox.session_began();
        self.judge.on_shelf(office, |shelf| {
            shelf.session(true);
            None
        });
        self.feed(office, Input::Roaming(RoamingInput::Connected));
        let span = self.chance.millis(5, 2_000);
        let retained: Vec<_> = self.broker.retained.values().cloned().collect();
        for publication in retained {
            self.tells(office, span, publication);
        }
        for (topic, version) in waiting {
            let span = self.chance.millis(1, 80);
            self.after(span, Event::Published(office, number, topic, version));
        }
        self.after(CONFIRM, Event::Confirmed(office, number));
        self.hands_over(office);
        self.dispatch(office);
    }

    /// The broker hands an office the table that ops want.
    pub(super) fn hands_over(&mut self, office: usize) {
        let (number, wanted) =
            (self.offices[office].session.number, Arc::clone(&self.offices[office].wanted));
        let span = self.chance.millis(5, 3_000);
        self.after(span, Event::Pushed(office, number, wanted));
    }

    /// A table arrives; an older one than that in force changes nothing.
    fn pushed(&mut self, office: usize, table: &Arc<RouteTable>) {
        let now = self.now;
        let one = &mut self.offices[office];
        if table.revision() <= one.table.revision() {
            return;
        }
        one.takes(table, now);
        let name = one.name;
        self.note(|| format!("{name} takes revision {}", table.revision().0));
        self.feed(office, Input::Routes(Arc::clone(table)));
    }

    /// A session ends.
    pub(super) fn disconnects(&mut self, office: usize) {
        let name = self.offices[office].name;
        self.note(|| format!("{name} has no broker"));
        self.offices[office].session.is_up = false;
        self.offices[office].disk.outbox.session_ended();
        self.judge.on_shelf(office, |shelf| {
            shelf.session(false);
            None
        });
    }

    /// What waits is told to ops, one after another; before that, how much was lost.
    pub(super) fn dispatch(&mut self, office: usize) {
        if let Some((sequence, losses, name)) = self.offices[office].disk.report() {
            self.judge.count("losses reported");
            self.judge.on_shelf(office, |shelf| shelf.reports(sequence, losses, &name));
        }
        let number = self.offices[office].session.number;
        while let Some(dispatch) = self.offices[office].disk.outbox.dispatch() {
            self.judge.on_shelf(office, |shelf| shelf.dispatched(dispatch));
            if dispatch.historical {
                self.judge.count("events told as history");
            }
            let at = self.now + self.chance.millis(1, 200);
            let session = &mut self.offices[office].session;
            let at = session.said.map_or(at, |said| said.max(at));
            session.said = Some(at);
            self.after(at - self.now, Event::Accounted(office, number, dispatch.sequence));
        }
    }

    /// Something between an office and the broker.
    pub(super) fn uplink(&mut self, event: Event) {
        match event {
            Event::Published(office, session, topic, version) => {
                if !self.is_session(office, session) {
                    return;
                }
                let pending = self.offices[office].session.pending.get(&topic);
                let Some((_, publication)) = pending.filter(|(known, _)| *known == version).cloned() else {
                    return;
                };
                self.broker.retained.insert(topic.clone(), publication.clone());
                self.spread(&publication);
                if self.chance.percent(10) {
                    let span = self.chance.millis(1, 3_000);
                    return self.after(span, Event::Published(office, session, topic, version));
                }
                let span = self.chance.millis(1, 80);
                self.after(span, Event::Acknowledged(office, session, topic, version));
            }
            Event::Acknowledged(office, session, topic, version) => {
                let is_session = self.is_session(office, session);
                let pending = &mut self.offices[office].session.pending;
                if is_session && pending.get(&topic).is_some_and(|(known, _)| *known == version) {
                    pending.remove(&topic);
                }
            }
            Event::Told(office, session, publication) if self.is_session(office, session) => {
                self.feed(office, Input::Roaming(heard(&publication)));
            }
            Event::Pushed(office, session, table) if self.is_session(office, session) => {
                self.pushed(office, &table);
            }
            Event::Accounted(office, session, sequence) => self.accounted(office, session, sequence),
            Event::Receipt(office, session, sequence)
                if self.is_session(office, session)
                    && self.offices[office].disk.outbox.acknowledged(sequence) =>
            {
                self.judge.on_shelf(office, |shelf| {
                    shelf.acknowledged(sequence);
                    None
                });
                self.writes(office, Write::Delivered(sequence));
                self.dispatch(office);
            }
            Event::Confirmed(office, session) if self.is_session(office, session) => {
                self.feed(office, Input::Roaming(RoamingInput::Confirmed));
                self.after(CONFIRM, Event::Confirmed(office, session));
            }
            _ => {}
        }
    }

    fn is_session(&self, office: usize, number: u32) -> bool {
        let session = &self.offices[office].session;
        session.is_up && session.number == number && self.offices[office].engine.is_some()
    }

    /// The broker tells everybody who listens; each hears it when it does, now and then late.
    fn spread(&mut self, publication: &Publication) {
        for office in 0..self.offices.len() {
            if self.offices[office].session.is_up {
                let late = if self.chance.percent(5) { 3_000 } else { 80 };
                let span = self.chance.millis(1, late);
                self.tells(office, span, publication.clone());
            }
        }
    }

    /// The broker tells an office, after what it told before.
    fn tells(&mut self, office: usize, span: Duration, publication: Publication) {
        let session = &mut self.offices[office].session;
        let at = session.told.map_or(self.now + span, |told| told.max(self.now + span));
        session.told = Some(at);
        let event = Event::Told(office, session.number, Box::new(publication));
        self.after(at - self.now, event);
    }

    fn accounted(&mut self, office: usize, session: u32, sequence: crate::uplink::Sequence) {
        if !self.is_session(office, session) {
            return;
        }
        let Some((_, name)) = self.offices[office].disk.events.get(&sequence).cloned() else { return };
        self.broker.account(office, session, sequence, &name, &mut self.judge);
        self.judge.count("events accounted");
        if self.chance.percent(90) {
            let span = self.chance.millis(1, 200);
            self.after(span, Event::Receipt(office, session, sequence));
        }
    }
}
