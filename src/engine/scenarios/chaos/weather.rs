//! What happens around the calls: connections break, media end, stores and links come and go.

use super::{Chaos, LINKS, ROUTES};
use crate::engine::Input;
use crate::engine::routing::DialFailure;
use crate::engine::scenarios::far_ends::{Dialling, pushed};
use crate::engine::scenarios::world::{Pbx, Store, accounts, seconds};
use crate::media::dtmf::Digit;
use crate::media::webrtc::{EndEvent, EndFailure};
use crate::media::{ConnectivityEvent, EndId, MediaEvent, Report};

impl Chaos {
    pub(super) fn flow(&mut self) {
        let bot = 3 + self.pick(2);
        let peer = self.bots[bot].peer;
        if self.w.peers[peer.0].gone {
            self.w.reconnects(peer);
            let text = self.w.register_text(peer, "1002", "<sip:x@y.invalid>", "");
            self.w.wire(peer, &text);
        } else {
            self.w.breaks(peer);
        }
    }

    pub(super) fn media(&mut self) {
        let mut ends: Vec<EndId> = self.w.ledger.ends.keys().copied().collect();
        ends.sort_by_key(|end| end.index());
        if ends.is_empty() {
            return;
        }
        let end = ends[self.pick(ends.len())];
        let since = self.w.now.instant;
        let input = match self.pick(5) {
            0 => Input::Media(MediaEvent::Silent { end, since }),
            1 => {
                let digit = Digit::from_char('4').unwrap();
                let needs_signalling = self.pick(2) == 0;
                Input::Media(MediaEvent::Dtmf { end, digit, duration: seconds(1), needs_signalling })
            }
            2 => Input::Media(MediaEvent::Sample { end, report: Box::new(Report::default()) }),
            3 => Input::Connectivity(ConnectivityEvent::End {
                end,
                event: EndEvent::Failed(EndFailure::NoIcePath),
            }),
            _ => Input::Connectivity(ConnectivityEvent::End { end, event: EndEvent::PeerClosed }),
        };
        self.w.feed(input);
    }

    pub(super) fn around(&mut self) {
        if !self.far.is_empty() && self.pick(2) == 0 {
            return self.on_the_way();
        }
        match self.pick(5) {
            0 => self.w.pbx = [Pbx::Answers, Pbx::Silent, Pbx::Refuses][self.pick(3)],
            1 => self.w.store = [Store::Durable, Store::Broken, Store::Held][self.pick(3)],
            2 => self.w.store_catches_up(),
            3 => self.w.reports = !self.w.reports,
            _ => {
                self.w.report_ends();
                let input = Input::Accounts(accounts());
                self.w.feed(input);
            }
        }
    }

    /// Links fail and come back, ops push other tables.
    pub(super) fn on_the_way(&mut self) {
        let at = self.pick(3);
        let (peer, name) = (self.far[at], ["one", "two", "out"][at]);
        match self.pick(8) {
            0 => self.w.goes_deaf(peer),
            1 | 2 => self.w.hears_again(peer),
            3 if at < 2 => self.w.breaks(peer),
            4 => self.w.link_dials(name, Dialling::Fails(DialFailure::Refused)),
            5 => self.w.link_dials(name, Dialling::Stalls),
            6 => {
                let first = self.pick(3);
                self.w.push(pushed(&LINKS[first..], &["0* iax"]));
            }
            _ => {
                self.w.link_dials(name, Dialling::Opens(peer));
                self.w.push(pushed(&LINKS, &ROUTES));
            }
        }
    }
}
