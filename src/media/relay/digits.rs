//! Keys that arrive at an end, and how they reach the other end of its bridge.
//!
//! | heard | the other end has | it gets |
//! | --- | --- | --- |
//! | as event of a mapped payload type | | the packets themselves |
//! | as event, not mapped | events of another clock | an event of ours |
//! | as event, not mapped | no events but G.711 | a tone of ours |
//! | as tone | events | an event of ours; from then to its end the tone is silenced |
//! | as tone | no events, the same G.711 | the audio itself |
//! | as tone | no events, another G.711 | a tone of ours |
//! | either | none of these | nothing: the engine is told that signalling must carry it |
//!
//! Every key takes exactly one of these ways, so none is heard twice, and each is told to the engine once.

use std::time::Instant;

use super::Relay;
use crate::media::dtmf::inband::{InbandReceiver, ToneChange};
use crate::media::dtmf::{Digit, KeyPress};
use crate::media::end::{EndId, G711Payload, PayloadType};
use crate::media::event::{DropReason, MediaEvent};
use crate::media::packet::Packet;
use crate::media::rtp::RtpHeader;

/// What is heard of keys in the audio of an end.
#[derive(Debug, Default)]
pub(super) struct HeardTones {
    pub(super) receiver: InbandReceiver,
    /// The way of the key that is held.
    way: Way,
}

/// How a key reaches the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody is there, or it is on hold.
    #[default]
    Nowhere,
    /// As it came.
    Itself,
    /// As a digit of ours.
    Ours,
    /// Not in the media.
    Signalling,
}

/// How a key was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Event,
    Tone,
}

impl Relay {
    /// Hears the keys in an audio or event packet, in clear. A tone that is sent on as event is silenced.
    pub(super) fn hear_keys(&mut self, now: Instant, index: usize, header: &RtpHeader, packet: &mut Packet) {
        let Some(end) = self.table.at(index) else { return };
        let payload_type = header.payload_type;
        if let Some(rate) = end.event_rate(payload_type) {
            end.event_type = Some(payload_type);
            let payload = header.payload(packet.as_slice()).unwrap_or_default();
            for press in end.dtmf_received.handle_packet(now, header.timestamp, payload, rate) {
                self.event_ended(index, press);
            }
        } else if let Some(g711) = end.codec.g711.iter().find(|one| one.received == payload_type).copied() {
            self.hear_tones(now, index, g711, header, packet);
        }
    }

    /// Tells and sends on a key that came as event.
    pub(super) fn event_ended(&mut self, index: usize, press: KeyPress) {
        let Some(payload_type) = self.table.at(index).and_then(|end| end.event_type) else { return };
        let way = self.send_on(index, Heard::Event, payload_type, press.digit);
        self.tell_key(index, press, way);
    }

    /// Tells a key that came as tone; it was sent on when it was pressed.
    pub(super) fn tone_ended(&mut self, index: usize, press: KeyPress) {
        let tones = self.table.at(index).and_then(|end| end.tones.as_deref_mut());
        if let Some(way) = tones.map(|tones| std::mem::take(&mut tones.way)) {
            self.tell_key(index, press, way);
        }
    }

    /// Adds digits to those that an end sends; false when they do not all fit.
    pub(super) fn queue_digits(&mut self, end: EndId, digits: &[Digit]) -> bool {
        if !self.table.get(end).is_some_and(|open| open.dtmf_sent.send(digits)) {
            return false;
        }
        if !self.digits_due.contains(&end.index()) {
            self.digits_due.push(end.index());
        }
        true
    }

    fn hear_tones(
        &mut self,
        now: Instant,
        index: usize,
        g711: G711Payload,
        header: &RtpHeader,
        packet: &mut Packet,
    ) {
        let Some(tones) = self.table.at(index).and_then(|end| end.tones.as_deref_mut()) else { return };
        let payload = header.payload(packet.as_slice()).unwrap_or_default();
        for change in tones.receiver.handle_packet(now, header.timestamp, payload, g711.law) {
            match change {
                ToneChange::Pressed(digit) => {
                    let way = self.send_on(index, Heard::Tone, g711.received, digit);
                    if let Some(tones) = self.table.at(index).and_then(|end| end.tones.as_deref_mut()) {
                        tones.way = way;
                    }
                }
                ToneChange::Released(press) => self.tone_ended(index, press),
            }
        }
        let tones = self.table.at(index).and_then(|end| end.tones.as_deref());
        if tones.is_some_and(|tones| tones.receiver.is_held() && tones.way == Way::Ours)
            && let Some(sound) = header.payload_mut(packet)
        {
            sound.fill(g711.law.silence());
        }
    }

    /// Finds a key's way to the other end, and sends it there when it is ours to send.
    fn send_on(&mut self, index: usize, heard: Heard, payload_type: PayloadType, digit: Digit) -> Way {
        let Some(end) = self.table.at(index) else { return Way::Nowhere };
        let Some(bridge) = &end.bridge else { return Way::Nowhere };
        let (is_mapped, receive, peer) =
            (bridge.map.get(payload_type).is_some(), end.flow.receive, bridge.peer);
        let Some(other) = self.table.get(peer) else { return Way::Nowhere };
        if is_mapped && (heard == Heard::Event || other.codec.dtmf.is_empty()) {
            return Way::Itself;
        }
        if !receive || !other.flow.send {
            return Way::Nowhere;
        }
        if !other.can_send(digit) {
            return Way::Signalling;
        }
        if self.queue_digits(peer, &[digit]) {
            return Way::Ours;
        }
        self.counts.drops.add(DropReason::DtmfQueueFull);
        if let Some(end) = self.table.at(index) {
            end.drops.add(DropReason::DtmfQueueFull);
        }
        Way::Nowhere
    }

    fn tell_key(&mut self, index: usize, press: KeyPress, way: Way) {
        let Some(end) = self.table.at(index).map(|end| end.id) else { return };
        let KeyPress { digit, duration } = press;
        let needs_signalling = way == Way::Signalling;
        self.events.push(MediaEvent::Dtmf { end, digit, duration, needs_signalling });
    }
}
