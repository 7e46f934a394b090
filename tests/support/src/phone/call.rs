//! Calls as a test script tells them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::dialog::{Dialog, Event, State, new_tag};
use super::line::{Line, random};
use super::media::Media;
use super::sdp::{Codec, Direction};
use super::wire::Message;
use crate::{Failure, Outcome};

/// How long a script waits for what should happen soon.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// How long it waits for a final response, which includes ringing.
const RINGING: Duration = Duration::from_secs(60);

/// A call, from either side.
pub struct Call {
    pub(super) dialog: Arc<Dialog>,
    events: UnboundedReceiver<Event>,
    passed: VecDeque<Event>,
}

/// How a call is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// SDP in the INVITE.
    Early,
    /// No SDP in the INVITE: the far end offers, we answer in the ACK.
    Late,
}

impl Call {
    pub(super) fn new(dialog: Arc<Dialog>, events: UnboundedReceiver<Event>) -> Self {
        Self { dialog, events, passed: VecDeque::new() }
    }

    /// Sends the INVITE; what follows comes as events.
    pub(super) fn start(line: &Arc<Line>, to: &str, offer: Offer, headers: &[(&str, &str)]) -> Outcome<Self> {
        let (sender, events) = unbounded_channel();
        let media = Media::open(line.settings.media_address.unwrap_or(line.link.local.ip()))?;
        let target =
            if to.contains(':') { to.to_owned() } else { format!("sip:{to}@{}", line.settings.domain) };
        let tag = new_tag();
        let name = line.settings.display_name.as_ref().map_or(String::new(), |name| format!("\"{name}\" "));
        let state = State {
            call_id: format!("{:016x}", random()),
            local: format!("{name}<{}>;tag={tag}", line.aor()),
            remote: format!("<{target}>"),
            target,
            routes: Vec::new(),
            cseq: 0,
            invite: Message::request("INVITE", ""),
            version: 0,
            codecs: line.settings.codecs.clone(),
            wanted: Direction::SendRecv,
            far: None,
            is_inviting: true,
        };
        let dialog = Dialog::new(Arc::clone(line), media, sender, tag, state);
        let headers: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        tokio::spawn(invite(Arc::clone(&dialog), offer, headers));
        Ok(Self::new(dialog, events))
    }

    /// The media of the call.
    pub fn media(&self) -> &Media {
        &self.dialog.media
    }

    /// Call-ID of this leg.
    pub fn call_id(&self) -> String {
        self.dialog.state().call_id.clone()
    }

    // ---- waiting ----------------------------------------------------------------------------------------------

    /// The first event, of those not yet taken, for which `pick` gives something.
    pub async fn wait<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Outcome<T> {
        let earlier = self.passed.iter().position(|event| pick(event).is_some());
        if let Some(found) = earlier.and_then(|at| self.passed.remove(at)).and_then(|event| pick(&event)) {
            return Ok(found);
        }
        let search = async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = pick(&event) {
                    return Some(found);
                }
                self.passed.push_back(event);
            }
            None
        };
        match timeout(within, search).await {
            Ok(Some(found)) => Ok(found),
            _ => Err(self.dialog.line.failure(&format!("waited {within:?} for {what}"))),
        }
    }

    /// Waits for a provisional response with this code, such as 180.
    pub async fn provisional(&mut self, code: u16) -> Outcome<Message> {
        let pick = |event: &Event| match event {
            Event::Provisional(response) if response.code() == code => Some(Ok(response.clone())),
            Event::Answered(response) | Event::Refused(response) => Some(Err(response.start.clone())),
            Event::Failed(why) => Some(Err(why.clone())),
            _ => None,
        };
        let found = self.wait(&format!("{code}"), SOON, pick).await?;
        found.map_err(|other| self.dialog.line.failure(&format!("expected {code}, got {other}")))
    }

    /// Waits until the call is answered; the ACK has been sent then.
    pub async fn answered(&mut self) -> Outcome<Message> {
        let found = self.wait("an answer", RINGING, final_response).await?;
        match found {
            Ok(response) if response.code() < 300 => Ok(response),
            Ok(response) => {
                Err(self.dialog.line.failure(&format!("expected an answer, got {}", response.start)))
            }
            Err(why) => Err(Failure::new(why)),
        }
    }

    /// Waits until the call is refused with this code; returns the response.
    pub async fn refused(&mut self, code: u16) -> Outcome<Message> {
        match self.wait("a refusal", RINGING, final_response).await? {
            Ok(response) if response.code() == code => Ok(response),
            Ok(response) => {
                Err(self.dialog.line.failure(&format!("expected {code}, got {}", response.start)))
            }
            Err(why) => Err(Failure::new(why)),
        }
    }

    /// Waits until the call is refused, with whatever code; returns the response.
    pub async fn refused_by_any(&mut self) -> Outcome<Message> {
        match self.wait("a refusal", RINGING, final_response).await? {
            Ok(response) if response.code() >= 300 => Ok(response),
            Ok(response) => Err(self.dialog.line.failure(&format!("got {}", response.start))),
            Err(why) => Err(Failure::new(why)),
        }
    }

    /// Waits until the far end hangs up; returns its BYE.
    pub async fn ended(&mut self) -> Outcome<Message> {
        self.ended_within(SOON).await
    }

    /// The same, with a time of one's own.
    pub async fn ended_within(&mut self, within: Duration) -> Outcome<Message> {
        let pick = |event: &Event| match event {
            Event::Ended(bye) => Some(bye.clone()),
            _ => None,
        };
        self.wait("BYE", within, pick).await
    }

    /// Waits until the far end changes the session; returns its direction as it sees it, and the codec.
    pub async fn changed(&mut self) -> Outcome<(Direction, Codec)> {
        let pick = |event: &Event| match event {
            Event::Changed(direction, codec) => Some((*direction, *codec)),
            _ => None,
        };
        self.wait("a session change", SOON, pick).await
    }

    /// Waits until the far end refreshes the session without changing it.
    pub async fn refreshed(&mut self, within: Duration) -> Outcome<Message> {
        let pick = |event: &Event| match event {
            Event::Refreshed(request) => Some(request.clone()),
            _ => None,
        };
        self.wait("a session refresh", within, pick).await
    }

    // ---- doing ------------------------------------------------------------------------------------------------

    /// Takes back our unanswered INVITE; returns its final response (487, or 200 if the answer was quicker).
    pub async fn cancel(&mut self) -> Outcome<Message> {
        let invite = self.dialog.state().invite.clone();
        let mut cancel = Message::request("CANCEL", invite.uri());
        for name in ["Via", "Route", "Max-Forwards", "From", "To", "Call-ID"] {
            for value in invite.all(name) {
                cancel = cancel.with(name, value);
            }
        }
        let cancel = cancel.with("CSeq", format!("{} CANCEL", invite.cseq()));
        self.dialog.line.transact(&cancel, |_| ()).await?;
        self.wait("the end of the INVITE", SOON, final_response).await?.map_err(Failure::new)
    }

    /// Hangs up; 481 counts as success, because the far end may have hung up at the same moment.
    pub async fn hang_up(&mut self) -> Outcome {
        self.dialog.media.set_sending(false);
        let response = self.dialog.ask("BYE", |request| request).await?;
        self.dialog.end();
        match response.code() {
            200..300 | 481 => Ok(()),
            _ => Err(self.dialog.line.failure(&format!("BYE was answered {}", response.start))),
        }
    }

    /// Puts the far end on hold.
    pub async fn hold(&mut self) -> Outcome {
        self.dialog.state().wanted = Direction::SendOnly;
        self.renegotiate().await
    }

    /// Takes the far end back from hold.
    pub async fn resume(&mut self) -> Outcome {
        self.dialog.state().wanted = Direction::SendRecv;
        self.renegotiate().await
    }

    /// Offers other codecs, best first.
    pub async fn change_codecs(&mut self, codecs: &[Codec]) -> Outcome {
        self.dialog.state().codecs = codecs.to_vec();
        self.renegotiate().await
    }

    /// Sends a re-INVITE with an offer, and uses the answer.
    pub async fn renegotiate(&mut self) -> Outcome {
        let response = self.try_renegotiate().await?;
        if response.code() < 300 {
            return Ok(());
        }
        Err(self.dialog.line.failure(&format!("re-INVITE was answered {}", response.start)))
    }

    /// The same; returns the final response, whatever it is.
    pub async fn try_renegotiate(&mut self) -> Outcome<Message> {
        self.dialog.state().is_inviting = true;
        let offer = self.dialog.offer();
        let response = self.dialog.ask("INVITE", |request| request.with_sdp(offer.clone())).await;
        self.dialog.state().is_inviting = false;
        let response = response?;
        if response.code() < 300 {
            self.dialog.learn(&response);
            self.dialog.acknowledge_answer(&response, true);
        }
        Ok(response)
    }

    /// Sends an UPDATE without an offer, as a session refresh.
    pub async fn refresh(&mut self) -> Outcome<Message> {
        self.dialog.ask("UPDATE", |request| request).await
    }

    /// Sends a request within the call (INFO, MESSAGE, REFER); returns its final response.
    pub async fn ask(&mut self, method: &str, headers: &[(&str, &str)], body: &str) -> Outcome<Message> {
        let add = |mut request: Message| {
            for (name, value) in headers {
                request = request.with(name, *value);
            }
            body.clone_into(&mut request.body);
            request
        };
        self.dialog.ask(method, add).await
    }
}

fn final_response(event: &Event) -> Option<Result<Message, String>> {
    match event {
        Event::Answered(response) | Event::Refused(response) => Some(Ok(response.clone())),
        Event::Failed(why) => Some(Err(why.clone())),
        _ => None,
    }
}

async fn invite(dialog: Arc<Dialog>, offer: Offer, headers: Vec<(String, String)>) {
    let sdp = (offer == Offer::Early).then(|| dialog.offer());
    let build = |authorization: Option<(&'static str, String)>| {
        let mut request = dialog.request("INVITE");
        request.headers.extend(headers.iter().cloned());
        if let Some((name, value)) = authorization {
            request = request.with(name, value);
        }
        if let Some(sdp) = &sdp {
            request = request.with_sdp(sdp.clone());
        }
        dialog.state().invite = request.clone();
        request
    };
    let outcome = dialog.line.exchange(build, |response| dialog.take_provisional(response)).await;
    dialog.state().is_inviting = false;
    match outcome {
        Ok((_, response)) if response.code() < 300 => {
            dialog.learn(&response);
            dialog.acknowledge_answer(&response, sdp.is_some());
            dialog.tell(Event::Answered(response));
        }
        Ok((_, response)) => {
            dialog.end();
            dialog.tell(Event::Refused(response));
        }
        Err(why) => {
            dialog.end();
            dialog.tell(Event::Failed(why.to_string()));
        }
    }
}
