//! Somebody calls for help, and the people named for it are told: a message to their phones (RFC 3428), a notice on their pages.
//! Nobody waits for their answers; the caller's own devices are not told.

use std::fmt::Write as _;

use bytes::Bytes;

use super::effects::Effects;
use super::invitation::our_contact;
use super::model::Call;
use crate::engine::dialog::{Opening, RouteSet};
use crate::engine::flow::Flow;
use crate::engine::registrar::Reach;
use crate::engine::routing::Place;
use crate::engine::transaction::RequestOptions;
use crate::engine::web::WebEvent;
use crate::sip::header::ContentType;
use crate::sip::{HeaderName, Method, NameAddr, SipUri, Uri};

impl Call {
    /// Tells the people named for it of a call for help.
    pub(super) fn tell_people(&self, fx: &mut Effects<'_>) {
        if !self.plan.is_emergency() {
            return;
        }
        let (settings, registrar) = (fx.settings, fx.registrar);
        let caller = self.peer_of(1);
        let text = words(&caller.number, &self.dialled, self.place.as_deref());
        for contact in &settings.routing.emergency_contacts {
            if contact.as_str() == caller.number {
                continue;
            }
            for binding in registrar.location(contact) {
                match &binding.reach {
                    Reach::Sip { contact: target, flow, path } => {
                        message(contact.as_str(), &caller.number, &text, (target, *flow, path), fx);
                    }
                    Reach::Web(Some(page)) => {
                        fx.web(*page, WebEvent::Notice { reason: "emergency", text: text.clone() });
                    }
                    Reach::Web(None) => {}
                }
            }
        }
    }
}

fn words(caller: &str, dialled: &str, place: Option<&Place>) -> String {
    let mut text = format!("{caller} has dialled {dialled}.");
    let at = place.and_then(|place| place.civic.as_ref().or(place.geo.as_ref()));
    let callback = place.and_then(|place| place.callback.as_ref());
    for (what, value) in [("Place", at), ("Called back under", callback)] {
        if let Some(value) = value {
            let _ = write!(text, " {what}: {value}.");
        }
    }
    text
}

fn message(
    to: &str,
    from: &str,
    text: &str,
    (target, flow, path): (&Uri, Flow, &[NameAddr]),
    fx: &mut Effects<'_>,
) {
    let address = |user| NameAddr::new(SipUri::new(Some(user), fx.settings.realm.as_str().into(), None));
    let opening = Opening {
        target: target.clone(),
        routes: RouteSet::new(path),
        from: address(from).with_tag(&fx.layer.fresh_tag()),
        to: address(to),
        call_id: fx.layer.fresh_call_id(),
        cseq: 1,
        contact: our_contact(to, flow),
    };
    let mut request = opening.request(Method::Message);
    request.headers.remove(&HeaderName::Contact);
    request.set_body(&ContentType::of("text", "plain"), Bytes::from(text.to_owned()));
    if fx.layer.request(fx.now, flow, request, RequestOptions::default()).is_err() {
        fx.refused("call", "alarm-not-sent");
    }
}
