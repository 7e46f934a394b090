//! Our `o=` line and last description of one dialog: a version for every change, none without (RFC 3264 §8).

use std::net::IpAddr;

use super::agreed::{AgreedMedia, Answer};
use super::answer::answer;
use super::local::{LocalCapabilities, LocalMedia};
use super::offer::{offer, read_answer};
use super::origin::Origin;
use super::reason::MediaRefusal;
use super::session_description::SessionDescription;

/// What this side has described in one dialog.
#[derive(Clone, Debug)]
pub struct LocalSession {
    id: u64,
    version: u64,
    address: IpAddr,
    last: Option<SessionDescription>,
}

impl LocalSession {
    /// A dialog in which nothing was described yet. `id` comes from the shell's random source; only its lower
    /// 62 bits are used, because peers read it into signed numbers. `address` is the one in our `o=` line.
    pub const fn new(id: u64, address: IpAddr) -> Self {
        Self { id: id & (u64::MAX >> 2), version: 1, address, last: None }
    }

    /// Our last description.
    pub const fn last(&self) -> Option<&SessionDescription> {
        self.last.as_ref()
    }

    /// Makes an offer: see [`offer`].
    pub fn offer(&mut self, local: &LocalMedia) -> SessionDescription {
        let description = offer(local, self.last.as_ref(), self.origin());
        self.publish(description)
    }

    /// Answers an offer: see [`answer`]. A refused offer leaves the session as it was.
    pub fn answer(
        &mut self,
        offer: &SessionDescription,
        local: &LocalCapabilities,
    ) -> Result<Answer, MediaRefusal> {
        let Answer { description, agreed } = answer(offer, local, self.origin())?;
        Ok(Answer { description: self.publish(description), agreed })
    }

    /// Reads the answer to our last description, which described `local`: see [`read_answer`].
    pub fn read_answer(
        &self,
        local: &LocalMedia,
        answer: &SessionDescription,
    ) -> Result<AgreedMedia, MediaRefusal> {
        let offer = self.last.as_ref().ok_or(MediaRefusal::SectionCountDiffers)?;
        read_answer(offer, local, answer)
    }

    fn origin(&self) -> Origin {
        Origin::new(self.id, self.version, self.address)
    }

    /// Gives the description the version it must have, and remembers it.
    fn publish(&mut self, mut description: SessionDescription) -> SessionDescription {
        if self.last.as_ref().is_some_and(|last| *last != description) {
            self.version = self.version.wrapping_add(1);
            description.origin = self.origin();
        }
        self.last = Some(description.clone());
        description
    }
}
