//! Whom to ring for a dialled number: ordered attempts, each of one or several devices at once.
//!
//! | attempt | made when |
//! | --- | --- |
//! | Asterisk | a caller of the site dials, and Asterisk answers |
//! | the devices with the highest q value, together (RFC 3261 §16.6) | a caller from Asterisk dials; Asterisk is absent, down or failed |
//! | the devices with the next q value | nobody answered the ones before within `ring-step`, or all of them failed |
//!
//! Devices that give no q value have the highest, so they ring at once.

use std::collections::VecDeque;
use std::time::Duration;

use super::cause::Cause;
use crate::engine::flow::Side;
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Binding, Registrar};
use crate::engine::settings::CallSettings;

/// One device or next hop to ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The site's Asterisk decides.
    Asterisk {
        /// What was dialled.
        number: String,
    },
    /// A device of an extension.
    Device(Box<Binding>),
}

/// Targets that ring together.
pub(super) type Attempt = Vec<Target>;

/// Ordered attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    attempts: VecDeque<Attempt>,
    /// Whether devices ring, or rang last; else Asterisk was asked.
    rings_devices: bool,
}

impl Plan {
    /// The next attempt.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        let attempt = self.attempts.pop_front()?;
        self.rings_devices = attempt.iter().all(|target| matches!(target, Target::Device(_)));
        Some(attempt)
    }

    /// How long the attempt under way may ring.
    pub fn ring_time(&self, settings: &CallSettings) -> Duration {
        let others_wait = self.rings_devices && !self.attempts.is_empty();
        if others_wait { settings.ring_step } else { settings.ring_timeout }
    }

    /// Whether another attempt may follow when the best that was heard is `cause`. One device speaks for the others
    /// of its user only when it says so (6xx, RFC 3261 §16.7). Asterisk's verdict is final, above all when it `rang`;
    /// that it failed or is silent is no verdict.
    pub fn goes_on_after(&self, cause: Cause, rang: bool) -> bool {
        match cause {
            _ if self.attempts.is_empty() => false,
            Cause::Declined => false,
            Cause::Refused(status) if self.rings_devices => status.code() < 600,
            _ if self.rings_devices => true,
            Cause::NextHopSilent | Cause::AsteriskDown | Cause::ConnectionLost => true,
            Cause::Refused(status) => !rang && matches!(status.code(), 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// What decides about a plan.
pub(super) struct Question<'a> {
    /// What was dialled.
    pub number: &'a str,
    /// From which side.
    pub side: Side,
    /// Whether Asterisk is configured and answers.
    pub asterisk: AsteriskState,
    /// Where devices are.
    pub registrar: &'a Registrar,
}

/// Whether Asterisk can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsteriskState {
    /// Not configured: Branchline alone.
    Absent,
    /// It answers.
    Up,
    /// It does not answer.
    Down,
}

/// Makes the plan.
///
/// A caller of the site goes to Asterisk, whose dialplan decides; if it is down or silent, extensions are rung directly.
/// A call from Asterisk rings the devices of the extension it names.
pub(super) fn plan(question: &Question<'_>) -> Result<Plan, Cause> {
    let devices = devices(question);
    let via_asterisk = question.side == Side::Site && question.asterisk == AsteriskState::Up;
    let mut attempts = VecDeque::new();
    if via_asterisk {
        attempts.push_back(vec![Target::Asterisk { number: question.number.to_owned() }]);
    }
    match devices {
        Ok(devices) if !devices.is_empty() => attempts.extend(devices),
        Ok(_) if attempts.is_empty() => return Err(Cause::NotRegistered),
        Err(()) if attempts.is_empty() => {
            let is_down = question.side == Side::Site && question.asterisk == AsteriskState::Down;
            return Err(if is_down { Cause::AsteriskDown } else { Cause::NoSuchNumber });
        }
        Ok(_) | Err(()) => {}
    }
    Ok(Plan { attempts, rings_devices: false })
}

/// The reachable devices of the number by falling q value, those with the same together; an error when it is no
/// extension of ours.
fn devices(question: &Question<'_>) -> Result<Vec<Attempt>, ()> {
    let extension = question.number.parse::<Extension>().map_err(|_| ())?;
    if !question.registrar.has_account(&extension) {
        return Err(());
    }
    let bindings = question.registrar.location(&extension);
    let groups = bindings.chunk_by(|one, next| one.q == next.q);
    Ok(groups.map(|group| group.iter().map(|binding| device(binding)).collect()).collect())
}

fn device(binding: &Binding) -> Target {
    Target::Device(Box::new(binding.clone()))
}
