//! The STUN messages that come in: checks of the peer, and answers to ours.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::reason::PacketDrop;
use super::super::stun::{BindingMessage, ClaimedRole, error_response, success_response};
use super::{CONSENT_TIME, Generation, IceAgent, IceCredentials, Phase, check};

impl IceAgent {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &BindingMessage<'_>,
    ) -> Result<(), PacketDrop> {
        let known = self.paths.is_validated(from);
        let budget = if known { &mut self.known_budget } else { &mut self.stranger_budget };
        if !budget.take(now) {
            return Err(PacketDrop::CheckRate);
        }
        let (generation, password) = self.authenticate(message)?;
        if !message.unknown.is_empty() {
            let refusal = error_response(message.transaction, 420, &message.unknown, &password);
            self.send(from, refusal);
            return Ok(());
        }
        if self.conflicts(message.role) {
            self.send(from, error_response(message.transaction, 487, &[], &password));
            return Ok(());
        }
        if !self.paths.hear(now, from, message.priority.unwrap_or(0), self.selected()) {
            return Err(PacketDrop::PathTableFull);
        }
        self.send(from, success_response(message.transaction, from, &password));
        self.renew_consent_as_lite(now, from);
        if generation == Generation::Current {
            self.follow(now, from, message.use_candidate);
        }
        Ok(())
    }

    /// USERNAME names us (and the peer, once it is known) and MESSAGE-INTEGRITY is right (RFC 8445 §7.3).
    fn authenticate(&self, message: &BindingMessage<'_>) -> Result<(Generation, String), PacketDrop> {
        let (ours, theirs) = message.fragments().ok_or(PacketDrop::UnknownUfrag)?;
        let is = |credentials: &IceCredentials| credentials.ufrag().as_bytes() == ours;
        let (generation, credentials) = if is(&self.local) {
            (Generation::Current, &self.local)
        } else {
            let retired = self.retired.as_ref().filter(|retired| is(retired));
            (Generation::Retired, retired.ok_or(PacketDrop::UnknownUfrag)?)
        };
        if !message.is_authentic(credentials.password()) {
            return Err(PacketDrop::WrongIntegrity);
        }
        let peer = self.remote.as_ref().filter(|_| generation == Generation::Current);
        if peer.is_some_and(|peer| peer.ufrag().as_bytes() != theirs) {
            return Err(PacketDrop::WrongUsername);
        }
        Ok((generation, credentials.password().to_owned()))
    }

    /// RFC 8445 §7.3.1.1; a lite agent is always controlled and tells a peer that says the same to change.
    fn conflicts(&mut self, role: Option<ClaimedRole>) -> bool {
        match (&mut self.checker, role) {
            (Some(checker), Some(role)) => checker.refuses_role(role),
            (None, Some(ClaimedRole::Controlled(_))) => true,
            _ => false,
        }
    }

    fn renew_consent_as_lite(&mut self, now: Instant, from: SocketAddr) {
        if self.checker.is_some() {
            return;
        }
        if let Phase::Connected { remote, consent_until } = &mut self.phase
            && *remote == from
        {
            *consent_until = now + CONSENT_TIME;
        }
    }

    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &BindingMessage<'_>,
    ) -> Result<(), PacketDrop> {
        let (Some(checker), Some(remote)) = (&mut self.checker, &self.remote) else {
            return Err(PacketDrop::UnknownTransaction);
        };
        if !message.is_authentic(remote.password()) {
            return Err(PacketDrop::WrongIntegrity);
        }
        match checker.handle_response(now, &mut self.paths, from, message)? {
            check::Answer::Consent => {
                if let Phase::Connected { remote, consent_until } = &mut self.phase
                    && *remote == from
                {
                    *consent_until = now + CONSENT_TIME;
                }
            }
            check::Answer::Nominated => self.select(now, from),
            check::Answer::Valid => {
                let asked = self.paths.get(from).is_some_and(|path| path.nominated.is_some());
                if asked && !checker.is_controlling() {
                    self.consider(now, from);
                }
            }
            check::Answer::Nothing => {}
        }
        Ok(())
    }
}
