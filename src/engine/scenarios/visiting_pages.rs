//! Users of other offices at the phone page of this one, which is PAR.

use super::descriptions::audio;
use super::roaming::{ann, paris, record_of};
use super::world::{Store, World};
use crate::engine::Input;
use crate::engine::Publication;
use crate::engine::RoamingInput;
use crate::engine::roaming::Presence;
use crate::engine::web::{Known, Ticket, WebInput, WebReply};
use crate::sip::Transport;
use crate::sip::digest::UserKeys;

impl World {
    /// Whose account a text names.
    fn who_is(&mut self, user: &str) -> Known {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.feed(Input::Web(WebInput::WhoIs { ticket, user: user.to_owned() }));
        match self.replies.pop_front() {
            Some((answered, WebReply::Account(known))) if answered == ticket => known,
            other => panic!("{other:?}"),
        }
    }

    fn said_of_ann(&mut self) -> Vec<Presence> {
        let published = std::mem::take(&mut self.published).into_iter();
        published
            .filter_map(|one| match one {
                Publication::Entry(entry) if entry.aor == ann() => Some(entry.presence),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_visitors_account_is_found_however_it_is_written_and_ours_by_their_own() {
    let mut w = World::paris();
    for user in ["32-1001", "+321001", "BRU-1001", "bru-32-1001"] {
        let Known::Visitor(account) = w.who_is(user) else { panic!("{user}") };
        assert_eq!((account.extension.as_str(), account.username.as_str()), ("32-1001", "1001"));
        assert_eq!(account.name.as_deref(), Some("Ann of BRU"));
        let keys = UserKeys::new("1001", "branchline", "secret");
        assert_eq!(account.keys.sha256.secret(), keys.sha256.secret());
        assert!(!format!("{account:?}").contains(&*keys.sha256.to_hex()), "nobody reads it in a log");
    }
    for user in ["1001", "33-1001", "PAR-1001"] {
        assert_eq!(w.who_is(user), Known::Own(World::extension("1001")), "{user}");
    }
    for user in ["32-1999", "1999", "PAR-1999", "alice", ""] {
        assert_eq!(w.who_is(user), Known::Nobody, "{user}");
    }
    let mut alone = World::with(paris());
    assert_eq!(alone.who_is("32-1001"), Known::Nobody, "an office without an uplink knows no visitors");
}

#[test]
fn a_visitors_page_is_a_device_and_calls_find_it() {
    let mut w = World::paris();
    let page = w.page("32-1001", "tab");
    assert_eq!(w.said_of_ann(), [Presence::Here]);
    let bob = w.udp_phone("1002");
    let mut a = w.calls(bob, "32-1001", &audio(4000));
    w.hears(&mut a, 180);
    let (view, _) = w.page_rings(&page);
    assert_eq!(view.peer_name.as_deref(), Some("Bob"));
    w.accepts(&page, view.id);
    w.sees(&page, "up");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    w.sees(&page, "ended");
    let (call, mut b) = w.page_talks(&page, bob);
    let from = b.invite.from().unwrap();
    assert_eq!(from.uri.user().unwrap().to_string(), "32-1001");
    assert_eq!(from.display_name().unwrap().to_string(), "Ann of BRU");
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    assert_eq!(w.said_of_ann(), [Presence::Gone]);
    assert!(!w.engine.registrar().can_verify(&ann().extension), "the keys went with the page");
}

#[test]
fn who_is_nobodys_visitor_gets_no_device() {
    let mut w = World::paris();
    let page = w.page("32-1999", "tab");
    assert!(w.said_of_ann().is_empty());
    assert!(!w.engine.registrar().serves(&World::extension("32-1999")));
    w.leaves(&page);
    let page = w.page("32-1001", "tab");
    w.told_of(RoamingInput::Verifier(record_of("better", 2)));
    assert!(!w.engine.registrar().serves(&ann().extension), "another password: the page is none any more");
    w.leaves(&page);
}

#[test]
fn a_page_that_goes_before_the_record_comes_is_forgotten_and_waiting_is_bounded() {
    let mut w = World::paris();
    w.fetches = Store::Held;
    for number in 0..256 {
        w.feed(Input::Web(WebInput::WhoIs {
            ticket: Ticket(9000 + number),
            user: format!("32-{}", 20_000 + number),
        }));
    }
    assert!(w.replies.is_empty());
    w.feed(Input::Web(WebInput::WhoIs { ticket: Ticket(1), user: "32-1001".to_owned() }));
    assert!(matches!(w.replies.pop_front(), Some((Ticket(1), WebReply::Refused(_)))));
    assert!(w.was_refused("too-many-visitors-waiting"));
    let phone = w.phone("32-1001", Transport::Tls);
    assert_eq!(w.peers[phone.0].number, "32-1001");
}
