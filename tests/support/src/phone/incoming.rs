//! The call that rings at a phone, until it is answered, rejected or taken back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use super::call::{Call, SOON};
use super::dialog::{Dialog, Event, State, new_tag};
use super::line::{Line, T1, recorded_routes};
use super::media::Media;
use super::sdp::Direction;
use super::wire::{Message, parameter, uri_of, user_of};
use crate::{Failure, Outcome};

/// A call that rings at the phone; 100 has been sent.
pub struct IncomingCall {
    invite: Message,
    call: Call,
}

impl IncomingCall {
    pub(super) fn new(line: Arc<Line>, invite: Message) -> Outcome<Self> {
        let (sender, events) = unbounded_channel();
        let media = Media::open(line.settings.media_address.unwrap_or(line.link.local.ip()))?;
        let tag = new_tag();
        let header = |name: &str| invite.get(name).unwrap_or_default().to_owned();
        let state = State {
            call_id: header("Call-ID"),
            local: format!("{};tag={tag}", header("To")),
            remote: header("From"),
            target: uri_of(&header("Contact")).to_owned(),
            routes: recorded_routes(&invite, false),
            cseq: 0,
            invite: invite.clone(),
            version: 0,
            codecs: line.settings.codecs.clone(),
            wanted: Direction::SendRecv,
            far: None,
            is_inviting: false,
        };
        let dialog = Dialog::new(line, media, sender, tag, state);
        Ok(Self { invite, call: Call::new(dialog, events) })
    }

    /// The INVITE as it came.
    pub fn invite(&self) -> &Message {
        &self.invite
    }

    /// The caller's number: from P-Asserted-Identity, else from From.
    pub fn caller(&self) -> &str {
        user_of(self.identity())
    }

    /// The caller's display name, empty if there is none.
    pub fn caller_name(&self) -> &str {
        self.identity().split('<').next().unwrap_or_default().trim().trim_matches('"')
    }

    fn identity(&self) -> &str {
        self.invite.get("P-Asserted-Identity").or_else(|| self.invite.get("From")).unwrap_or_default()
    }

    /// The media that [`Self::progress`] opens before the answer.
    pub fn media(&self) -> &Media {
        self.call.media()
    }

    /// Sends 180.
    pub fn ring(&self) {
        let response = self.invite.response(180, "Ringing").with("Contact", self.call.dialog.line.contact());
        self.call.dialog.line.reply(&self.invite, response, &self.call.dialog.tag);
    }

    /// Sends 183 with an answer: early media in both directions.
    pub fn progress(&self) -> Outcome {
        let offer = self.invite.sdp().ok_or_else(|| Failure::new("no offer to answer early"))?;
        let answer = self.call.dialog.answer(offer).ok_or_else(|| Failure::new("no codec in common"))?;
        let response =
            self.invite.response(183, "Session Progress").with("Contact", self.call.dialog.line.contact());
        self.call.dialog.line.reply(&self.invite, response.with_sdp(answer), &self.call.dialog.tag);
        Ok(())
    }

    /// Answers with 200, and waits for the ACK.
    pub async fn answer(self) -> Outcome<Call> {
        let dialog = &self.call.dialog;
        let sdp = match self.invite.sdp() {
            Some(offer) => dialog.answer(offer).ok_or_else(|| dialog.line.failure("no codec in common"))?,
            None => dialog.offer(),
        };
        let response = dialog.accept(&self.invite).with_sdp(sdp);
        let (sent, mut wait) = (tokio::time::Instant::now(), T1);
        dialog.line.reply(&self.invite, response.clone(), &dialog.tag);
        while timeout(wait, dialog.acknowledged.notified()).await.is_err() {
            if sent.elapsed() > SOON {
                return Err(dialog.line.failure("no ACK"));
            }
            wait = (wait * 2).min(T1 * 8);
            dialog.line.reply(&self.invite, response.clone(), &dialog.tag);
        }
        Ok(self.call)
    }

    /// Refuses with this status, such as 486.
    pub fn reject(self, code: u16) {
        self.call.dialog.respond(&self.invite, code, "Refused");
        self.call.dialog.end();
    }

    /// Waits until the caller, or a server on its behalf, takes the call back; returns the CANCEL.
    pub async fn cancelled(&mut self) -> Outcome<Message> {
        let pick = |event: &Event| match event {
            Event::Cancelled(cancel) => Some(cancel.clone()),
            _ => None,
        };
        self.call.wait("CANCEL", SOON, pick).await
    }

    /// Waits for the CANCEL as long as given.
    pub async fn cancelled_within(&mut self, within: Duration) -> Outcome<Message> {
        let pick = |event: &Event| match event {
            Event::Cancelled(cancel) => Some(cancel.clone()),
            _ => None,
        };
        self.call.wait("CANCEL", within, pick).await
    }

    /// The reason code of a CANCEL or BYE (RFC 3326), such as 200 for "answered elsewhere".
    pub fn reason_of(request: &Message) -> Option<u16> {
        request
            .get("Reason")
            .and_then(|reason| parameter(reason, "cause"))
            .and_then(|cause| cause.parse().ok())
    }
}
