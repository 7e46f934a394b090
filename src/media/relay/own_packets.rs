//! Packets that begin here: reports, digits, last words.

use std::time::Instant;

use super::control::NtpClock;
use super::media_end::{DigitPayload, MediaEnd};
use super::{Relay, Transmit};
use crate::media::dtmf::{STEP, TONE_PAYLOAD};
use crate::media::event::DropReason;
use crate::media::packet::Packet;
use crate::media::rtcp::{OwnReport, write_report};

impl Relay {
    /// Writes the next packet of our own into `packet`; call after every batch until it gives `None`.
    pub fn poll_transmit(&mut self, now: Instant, packet: &mut Packet) -> Option<Transmit> {
        let transmit = self
            .next_goodbye(packet)
            .or_else(|| self.next_digit(now, packet))
            .or_else(|| self.next_report(now, packet))?;
        self.counts.sent += 1;
        Some(transmit)
    }

    fn next_goodbye(&mut self, packet: &mut Packet) -> Option<Transmit> {
        let (transmit, last) = self.goodbyes.pop_front()?;
        packet.fill(last.as_slice()).then_some(transmit)
    }

    fn next_digit(&mut self, now: Instant, packet: &mut Packet) -> Option<Transmit> {
        let mut position = 0;
        while let Some(&index) = self.digits_due.get(position) {
            let Some(end) = self.table.at(index).filter(|end| end.dtmf_sent.is_active()) else {
                self.digits_due.swap_remove(position);
                continue;
            };
            match write_digit(now, end, packet) {
                Some(Ok(transmit)) => return Some(transmit),
                Some(Err(reason)) => {
                    end.drops.add(reason);
                    self.counts.drops.add(reason);
                }
                None => position += 1,
            }
        }
        None
    }

    fn next_report(&mut self, now: Instant, packet: &mut Packet) -> Option<Transmit> {
        while let Some(index) = self.reports_due.pop_front() {
            let Some(end) = self.table.at(index) else { continue };
            if let Some(transmit) = write_own(now, end, &self.clock, &self.settings.cname, false, packet) {
                return Some(transmit);
            }
        }
        None
    }
}

/// What an end that closes says to its peer.
pub(super) fn last_words(
    now: Instant,
    end: &mut MediaEnd,
    clock: &NtpClock,
    cname: &str,
) -> Option<(Transmit, Box<Packet>)> {
    let mut packet = Box::new(Packet::new());
    let transmit = write_own(now, end, clock, cname, true, &mut packet)?;
    Some((transmit, packet))
}

/// Our report to the end's peer; `None` while it cannot be sent, or when there was never anything to report.
fn write_own(
    now: Instant,
    end: &mut MediaEnd,
    clock: &NtpClock,
    cname: &str,
    goodbye: bool,
    packet: &mut Packet,
) -> Option<Transmit> {
    let transmit = end.rtcp_destination()?;
    let report = OwnReport {
        ssrc: end.outgoing.ssrc(),
        sender: end.sender_info(now, clock),
        block: end.report_block(now),
        cname,
        goodbye,
    };
    if report.sender.is_none() && report.block.is_none() {
        return None;
    }
    if !write_report(packet, &report) {
        return None;
    }
    match end.protect_rtcp(packet) {
        Ok(()) => Some(transmit),
        Err(reason) => {
            end.drops.add(reason);
            None
        }
    }
}

/// The next packet of the digit being sent; `None` when none is due.
fn write_digit(
    now: Instant,
    end: &mut MediaEnd,
    packet: &mut Packet,
) -> Option<Result<Transmit, DropReason>> {
    let Some(payload) = end.digit_payload() else {
        end.dtmf_sent.clear();
        return Some(Err(DropReason::DtmfNoWay));
    };
    let step = end.dtmf_sent.poll(now, payload.clock_rate())?;
    if !end.flow.send {
        return Some(Err(DropReason::OnHold));
    }
    let Some(transmit) = end.rtp_destination() else { return Some(Err(DropReason::PeerNotReady)) };
    let rate = end.clock_rate();
    let header = match payload {
        DigitPayload::Event(event) => {
            let header = end.outgoing.own(now, event.payload_type, step.first, rate);
            packet.fill(&header.to_bytes());
            packet.extend(&step.payload.to_bytes());
            header
        }
        DigitPayload::Tone(g711) => {
            let header = end.outgoing.own_sound(now, g711.sent, step.first, STEP, rate);
            let mut sound = [0; TONE_PAYLOAD];
            step.write_tone(g711.law, &mut sound);
            packet.fill(&header.to_bytes());
            packet.extend(&sound);
            header
        }
    };
    Some(end.protect_rtp(packet, &header).map(|()| transmit))
}
