//! What the engine orders.

use std::time::Instant;

use super::Relay;
use super::media_end::{Bridged, MediaEnd};
use super::own_packets::last_words;
use crate::media::command::MediaCommand;
use crate::media::end::{EndId, Flow, PayloadMap, Remote, Security, SourceRule, SrtpKeys};
use crate::media::event::{MediaEvent, RefusalReason};
use crate::media::ports::LocalPort;

impl Relay {
    /// Carries out an order; one that cannot be carried out is answered by [`MediaEvent::Refused`].
    pub fn handle_command(&mut self, now: Instant, command: MediaCommand) {
        let end = command.end();
        let done = match command {
            MediaCommand::Open { end, local, security } => self.open(now, end, local, security),
            MediaCommand::SetRemote { end, remote, source } => self.set_remote(end, remote, source),
            MediaCommand::AllowSource { end, address } => self.table.allow_source(end, address),
            MediaCommand::SetCrypto { end, keys } => self.set_crypto(end, &keys),
            MediaCommand::SetCodec { end, codec } => self.change(end, |open| open.set_codec(codec)),
            MediaCommand::Bridge { a, b, a_to_b, b_to_a } => self.bridge(now, [a, b], [a_to_b, b_to_a]),
            MediaCommand::Unbridge { end } => self.change(end, |_| ()).map(|()| self.unbridge(end)),
            MediaCommand::SetFlow { end, flow } => self.set_flow(now, end, flow),
            MediaCommand::SendDtmf { end, digits } => self.send_dtmf(end, &digits),
            MediaCommand::Sample { end } => self.sample(end),
            MediaCommand::Close { end } => self.close(now, end),
        };
        if let Err(reason) = done {
            self.events.push(MediaEvent::Refused { end, reason });
        }
    }

    fn open(
        &mut self,
        now: Instant,
        end: EndId,
        local: LocalPort,
        security: Security,
    ) -> Result<(), RefusalReason> {
        let start = self.draw_stream();
        self.table.insert(MediaEnd::new(end, local, security, start, now))?;
        self.arm_tick(now);
        Ok(())
    }

    fn set_remote(&mut self, end: EndId, remote: Remote, source: SourceRule) -> Result<(), RefusalReason> {
        let open = self.table.name_remote(end, remote).ok_or(RefusalReason::UnknownEnd)?;
        open.set_remote(remote, source);
        Ok(())
    }

    fn set_crypto(&mut self, end: EndId, keys: &SrtpKeys) -> Result<(), RefusalReason> {
        let start = self.draw_stream();
        self.change(end, |open| open.set_crypto(keys, start))
    }

    fn bridge(
        &mut self,
        now: Instant,
        [a, b]: [EndId; 2],
        [a_to_b, b_to_a]: [PayloadMap; 2],
    ) -> Result<(), RefusalReason> {
        if a == b {
            return Err(RefusalReason::SameEnd);
        }
        if self.table.get(a).is_none() || self.table.get(b).is_none() {
            return Err(RefusalReason::UnknownEnd);
        }
        for (end, peer, map) in [(a, b, a_to_b), (b, a, b_to_a)] {
            let before = self.table.get(end).and_then(|open| open.bridge.as_ref().map(|bridge| bridge.peer));
            if before.is_some_and(|before| before != peer) {
                self.unbridge(end);
            }
            self.change(end, |open| {
                open.bridge = Some(Bridged { peer, map });
                if before != Some(peer) {
                    open.begin_life(now);
                }
            })?;
        }
        Ok(())
    }

    /// Parts an end from its peer, both ways.
    fn unbridge(&mut self, end: EndId) {
        let Some(bridge) = self.table.get(end).and_then(|open| open.bridge.take()) else { return };
        if let Some(peer) = self.table.get(bridge.peer)
            && peer.bridge.as_ref().is_some_and(|back| back.peer == end)
        {
            peer.bridge = None;
        }
    }

    fn set_flow(&mut self, now: Instant, end: EndId, flow: Flow) -> Result<(), RefusalReason> {
        self.change(end, |open| {
            if open.flow.receive != flow.receive {
                open.begin_life(now);
            }
            open.flow = flow;
        })
    }

    fn send_dtmf(&mut self, end: EndId, digits: &[crate::media::dtmf::Digit]) -> Result<(), RefusalReason> {
        let open = self.table.get(end).ok_or(RefusalReason::UnknownEnd)?;
        if !digits.iter().all(|digit| open.can_send(*digit)) {
            return Err(RefusalReason::NoDtmfPayload);
        }
        if self.queue_digits(end, digits) { Ok(()) } else { Err(RefusalReason::DtmfQueueFull) }
    }

    fn sample(&mut self, end: EndId) -> Result<(), RefusalReason> {
        let report = Box::new(self.table.get(end).ok_or(RefusalReason::UnknownEnd)?.report());
        self.events.push(MediaEvent::Sample { end, report });
        Ok(())
    }

    fn close(&mut self, now: Instant, end: EndId) -> Result<(), RefusalReason> {
        self.change(end, |_| ())?;
        self.unbridge(end);
        let mut closed = self.table.remove(end).ok_or(RefusalReason::UnknownEnd)?;
        self.reports_due.retain(|due| *due != end.index());
        self.digits_due.retain(|due| *due != end.index());
        if self.goodbyes.len() < self.table.capacity() {
            self.goodbyes.extend(last_words(now, &mut closed, &self.clock, &self.settings.cname));
        }
        closed.close_interval();
        let report = Box::new(closed.report());
        self.events.push(MediaEvent::Closed { end, report });
        Ok(())
    }

    fn change(&mut self, end: EndId, change: impl FnOnce(&mut MediaEnd)) -> Result<(), RefusalReason> {
        self.table.get(end).map(change).ok_or(RefusalReason::UnknownEnd)
    }
}
