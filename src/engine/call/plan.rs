//! Whom to ring for a dialled number: ordered attempts, each of one or several devices at once.

use std::collections::VecDeque;

use super::cause::Cause;
use crate::engine::flow::Side;
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Binding, Registrar};

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
pub type Attempt = Vec<Target>;

/// Ordered attempts: the next one is made when all targets of the one before have failed without a verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    attempts: VecDeque<Attempt>,
}

impl Plan {
    /// The next attempt.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        self.attempts.pop_front()
    }

    /// Whether no attempt is left.
    pub fn is_exhausted(&self) -> bool {
        self.attempts.is_empty()
    }
}

/// What decides about a plan.
pub struct Question<'a> {
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
pub fn plan(question: &Question<'_>) -> Result<Plan, Cause> {
    let devices = devices(question);
    let via_asterisk = question.side == Side::Site && question.asterisk == AsteriskState::Up;
    let mut attempts = VecDeque::new();
    if via_asterisk {
        attempts.push_back(vec![Target::Asterisk { number: question.number.to_owned() }]);
    }
    match devices {
        Ok(devices) if !devices.is_empty() => attempts.push_back(devices),
        Ok(_) if attempts.is_empty() => return Err(Cause::NotRegistered),
        Err(()) if attempts.is_empty() => {
            let is_down = question.side == Side::Site && question.asterisk == AsteriskState::Down;
            return Err(if is_down { Cause::AsteriskDown } else { Cause::NoSuchNumber });
        }
        Ok(_) | Err(()) => {}
    }
    Ok(Plan { attempts })
}

/// The reachable devices of the number; an error when it is no extension of ours.
fn devices(question: &Question<'_>) -> Result<Attempt, ()> {
    let extension = question.number.parse::<Extension>().map_err(|_| ())?;
    if !question.registrar.has_account(&extension) {
        return Err(());
    }
    let bindings = question.registrar.location(&extension);
    Ok(bindings.into_iter().map(|binding| Target::Device(Box::new(binding.clone()))).collect())
}
