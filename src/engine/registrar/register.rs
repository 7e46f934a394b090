//! REGISTER (RFC 3261 §10.3, RFC 5626 §6, RFC 3327 §5.3).
//!
//! | step | what is wrong | answer |
//! | --- | --- | --- |
//! | To | no extension of ours by its form | as for a wrong password |
//! | credentials | none | 401 |
//! | credentials | right, nonce stale | 401 `stale=true` |
//! | credentials | wrong, unknown user | 401, counted |
//! | credentials | of another extension than To | 403 |
//! | Contact | unreadable, `*` without Expires 0 | 400 |
//! | Expires | below the minimum, not 0 | 423, Min-Expires |
//! | CSeq | not above the last one of this Call-ID | 500 |
//! | count | one device too many | 403 |
//! | count | table full | 503, Retry-After |

use std::time::Duration;

use rand_chacha::rand_core::Rng;

use super::binding::{Binding, BindingKey, DeviceKey, Reach};
use super::pages::cut;
use super::visitors::{Claimed, is_sign_in, prover};
use super::{Changed, Registrar, What};
use crate::engine::flow::Flow;
use crate::engine::numbering::Extension;
use crate::engine::output::Change;
use crate::sip::digest::Verdict;
use crate::sip::header::{Expires, MinExpires};
use crate::sip::{Contacts, HeaderName, NameAddr, Request, Response, StatusCode, Text, Uri};
use crate::time::Now;

/// What becomes of a REGISTER.
#[derive(Debug)]
pub enum Registered {
    /// Answer now.
    Answer {
        /// The answer.
        response: Box<Response>,
        /// Why it is refused, as a stable word.
        refusal: Option<&'static str>,
        /// Whether it was a wrong digest, which counts against the source.
        is_guess: bool,
    },
    /// Answer once these changes are on flash.
    Pending {
        /// What to write.
        changes: Vec<Change>,
        /// For [`Registrar::commit`].
        pending: PendingRegistration,
    },
}

/// A registration that was accepted and is not in force yet.
#[derive(Debug)]
pub struct PendingRegistration {
    extension: Extension,
    put: Vec<Binding>,
    remove: Vec<BindingKey>,
    /// How many of `put` are new devices.
    new: usize,
}

impl PendingRegistration {
    /// The devices that it makes or refreshes.
    pub fn devices(&self) -> impl Iterator<Item = &BindingKey> {
        self.put.iter().map(|binding| &binding.key)
    }
}

/// Why a REGISTER is refused.
struct Refusal {
    status: StatusCode,
    reason: &'static str,
    header: Option<(HeaderName, String)>,
}

impl Refusal {
    const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason, header: None }
    }
}

impl Registrar {
    /// Judges a REGISTER; nothing is in force before [`Registrar::commit`].
    pub fn register(&mut self, now: Now, flow: Flow, request: &Request, claimed: &Claimed) -> Registered {
        let extension = match self.identify(now, request, claimed) {
            Ok(extension) => extension,
            Err(answer) => return answer,
        };
        match self.wishes(now, flow, request, &extension) {
            Ok(pending) => {
                if pending.new > 0 {
                    *self.reserved.entry(extension).or_default() += pending.new;
                }
                let put = pending.put.iter().map(|binding| Change::PutBinding(Box::new(binding.clone())));
                let remove = pending.remove.iter().map(|key| Change::RemoveBinding(key.clone()));
                Registered::Pending { changes: put.chain(remove).collect(), pending }
            }
            Err(refusal) => self.refuse(request, &refusal),
        }
    }

    /// Puts a registration in force and answers it with all bindings of the extension (§10.3 step 8).
    pub fn commit(
        &mut self,
        now: Now,
        flow: Flow,
        request: &Request,
        pending: PendingRegistration,
    ) -> (Response, Vec<Changed>) {
        let PendingRegistration { extension, put, remove, new } = pending;
        self.release(&extension, new);
        let mut changes = Vec::new();
        for key in remove {
            if self.table.remove(&key).is_some() {
                changes.push(Changed {
                    extension: key.extension,
                    what: What::Unregistered,
                    forget: None,
                    signs_in: false,
                });
            }
        }
        for binding in put {
            let what = self.kind_of_change(&binding);
            let signs_in = is_sign_in(self.table.get(&binding.key), &binding);
            self.table.put(binding, now);
            changes.push(Changed { extension: extension.clone(), what, forget: None, signs_in });
        }
        (self.accepted(now, flow, request, &extension), changes)
    }

    fn identify(&mut self, now: Now, request: &Request, claimed: &Claimed) -> Result<Extension, Registered> {
        let Some(credentials) = request.headers.credentials(&HeaderName::Authorization, &self.realm) else {
            return Err(self.challenge_register(now, request, false, None));
        };
        let (user, keys) = prover(&self.accounts, &self.visitors, claimed, &credentials);
        match self.authenticator.verify(&credentials, &request.method, &request.uri, keys, now.wall) {
            Verdict::Stale => Err(self.challenge_register(now, request, true, None)),
            Verdict::Rejected(rejection) => {
                Err(self.challenge_register(now, request, false, Some(rejection.as_str())))
            }
            Verdict::Accepted => match user {
                Some(user) if claimed.extension() == Some(&user) => Ok(user),
                _ => Err(self.refuse(request, &Refusal::new(StatusCode::FORBIDDEN, "identity-mismatch"))),
            },
        }
    }

    /// What the request wants to put and to remove.
    fn wishes(
        &self,
        now: Now,
        flow: Flow,
        request: &Request,
        extension: &Extension,
    ) -> Result<PendingRegistration, Refusal> {
        let malformed = |_| Refusal::new(StatusCode::BAD_REQUEST, "bad-contact");
        let mut pending =
            PendingRegistration { extension: extension.clone(), put: Vec::new(), remove: Vec::new(), new: 0 };
        let general = request.headers.read::<Expires>().ok().flatten().map(|expires| expires.0);
        match request.contacts().map_err(malformed)? {
            Contacts::Star if general == Some(0) => {
                pending.remove = self.removable(request, extension)?;
            }
            Contacts::Star => return Err(Refusal::new(StatusCode::BAD_REQUEST, "star-without-expires-0")),
            Contacts::List(contacts) => {
                for contact in contacts {
                    self.wish(now, flow, request, &contact, general, &mut pending)?;
                }
            }
        }
        pending.new = self.has_room(extension, &pending)?;
        Ok(pending)
    }

    fn wish(
        &self,
        now: Now,
        flow: Flow,
        request: &Request,
        contact: &NameAddr,
        general: Option<u32>,
        pending: &mut PendingRegistration,
    ) -> Result<(), Refusal> {
        let key = BindingKey { extension: pending.extension.clone(), device: device_key(contact) };
        self.in_order(request, &key)?;
        let asked = contact.expires().or(general).map(|seconds| Duration::from_secs(seconds.into()));
        let asked = asked.unwrap_or(self.limits.default_expires);
        if asked.is_zero() {
            pending.remove.push(key);
            return Ok(());
        }
        if asked < self.limits.min_expires {
            return Err(Refusal::new(StatusCode::INTERVAL_TOO_BRIEF, "interval-too-brief"));
        }
        let known = self.table.get(&key);
        let created = known.map_or(now.wall, |known| known.created);
        let used = known.and_then(|known| known.used);
        let path = request.headers.addresses(&HeaderName::Path);
        let path = path.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "bad-path"))?;
        pending.put.push(Binding {
            key,
            reach: Reach::Sip {
                contact: Box::new(contact.uri.detached()),
                flow: reach_by(flow, contact, request),
                path: path.iter().map(NameAddr::detached).collect(),
            },
            expires: now.wall.plus(asked.min(self.limits.max_expires)),
            created,
            used,
            q: contact.q().unwrap_or(1000),
            user_agent: request
                .headers
                .get(&HeaderName::UserAgent)
                .map(|agent| cut(agent))
                .unwrap_or_default(),
            call_id: request.call_id().map(|call_id| cut(call_id)).unwrap_or_default(),
            cseq: request.cseq().map_or(0, |cseq| cseq.number),
        });
        Ok(())
    }

    /// An older request of the same Call-ID must not undo a newer one (§10.3 step 7).
    fn in_order(&self, request: &Request, key: &BindingKey) -> Result<(), Refusal> {
        let Some(known) = self.table.get(key) else { return Ok(()) };
        let same_call = request.call_id().is_some_and(|call_id| cut(call_id) == known.call_id);
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if same_call && number <= known.cseq {
            return Err(Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "out-of-order"));
        }
        Ok(())
    }

    fn removable(&self, request: &Request, extension: &Extension) -> Result<Vec<BindingKey>, Refusal> {
        let own = self.table.of(extension).filter(|one| !matches!(one.key.device, DeviceKey::Web(_)));
        let keys: Vec<_> = own.map(|binding| binding.key.clone()).collect();
        for key in &keys {
            self.in_order(request, key)?;
        }
        Ok(keys)
    }

    /// How many new devices the request makes, if there is room for them beside those that wait for the flash.
    fn has_room(&self, extension: &Extension, pending: &PendingRegistration) -> Result<usize, Refusal> {
        let is_new = |binding: &&Binding| self.table.get(&binding.key).is_none();
        let new = pending.put.iter().filter(is_new).count();
        let left = self.table.of(extension).filter(|one| !pending.remove.contains(&one.key)).count();
        let waiting = self.reserved.get(extension).copied().unwrap_or(0);
        if new > 0 && left + new + waiting > self.limits.per_extension {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "too-many-devices"));
        }
        if new > 0 && self.table.len() + new + self.reserved.len() > self.limits.max_bindings {
            let header = Some((HeaderName::RetryAfter, "60".to_owned()));
            return Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, reason: "bindings-full", header });
        }
        Ok(new)
    }

    fn release(&mut self, extension: &Extension, count: usize) {
        if let Some(reserved) = self.reserved.get_mut(extension) {
            *reserved = reserved.saturating_sub(count);
            if *reserved == 0 {
                self.reserved.remove(extension);
            }
        }
    }

    fn kind_of_change(&self, binding: &Binding) -> What {
        match self.table.get(&binding.key).map(|known| &known.reach) {
            None => What::Registered,
            Some(reach) if same_flow(reach, &binding.reach) => What::Refreshed,
            Some(_) => What::Replaced,
        }
    }

    fn accepted(&mut self, now: Now, flow: Flow, request: &Request, extension: &Extension) -> Response {
        let mut response = self.response(request, StatusCode::OK);
        for binding in self.table.of(extension) {
            let Reach::Sip { contact, .. } = &binding.reach else { continue };
            response.headers.push(HeaderName::Contact, contact_of(binding, contact, now));
        }
        response.headers.copy(&HeaderName::Path, &request.headers);
        let supported = request.option_tags(&HeaderName::Supported).unwrap_or_default();
        if supported.has("outbound") && flow.connection.is_some() {
            response.headers.push(HeaderName::Require, Text::from_static("outbound"));
            let timer = self.limits.flow_timer.as_secs().to_string();
            response.headers.push(HeaderName::FlowTimer, Text::from(timer));
        }
        let credentials = request.headers.credentials(&HeaderName::Authorization, &self.realm);
        let keys = self.accounts.get(extension).map(|account| &account.keys);
        let keys = keys.or_else(|| self.visitors.keys(extension));
        if let (Some(credentials), Some(keys)) = (credentials, keys)
            && let Some(info) = self.authenticator.accepted_info(&credentials, keys)
        {
            response.headers.push(HeaderName::AuthenticationInfo, &info);
        }
        response
    }

    fn refuse(&mut self, request: &Request, refusal: &Refusal) -> Registered {
        let mut response = self.response(request, refusal.status);
        if let Some((name, value)) = &refusal.header {
            response.headers.push(name.clone(), Text::from(value.as_str()));
        }
        if refusal.status == StatusCode::INTERVAL_TOO_BRIEF {
            let least = u32::try_from(self.limits.min_expires.as_secs()).unwrap_or(u32::MAX);
            response.headers.set(&MinExpires(least));
        }
        Registered::Answer { response: Box::new(response), refusal: Some(refusal.reason), is_guess: false }
    }

    fn challenge_register(
        &mut self,
        now: Now,
        request: &Request,
        stale: bool,
        failure: Option<&'static str>,
    ) -> Registered {
        let mut response = self.response(request, StatusCode::UNAUTHORIZED);
        self.add_challenges(now, request, stale, &HeaderName::WwwAuthenticate, &mut response);
        Registered::Answer { response: Box::new(response), refusal: failure, is_guess: failure.is_some() }
    }

    fn response(&mut self, request: &Request, status: StatusCode) -> Response {
        let tag = format!("{:016x}", self.random.next_u64());
        Response::to_request(request, status, Some(&tag))
    }
}

/// Which device a contact is: by its instance if it gives one, else by its URI.
fn device_key(contact: &NameAddr) -> DeviceKey {
    match contact.instance() {
        Some(instance) => {
            DeviceKey::Instance { instance: cut(&instance), reg_id: contact.reg_id().unwrap_or(0) }
        }
        None => DeviceKey::Contact(cut(&contact.uri.to_string())),
    }
}

/// Where requests to the device go. A connection is the only way to a device that made one (RFC 5626, RFC 7118). On UDP
/// it is where the REGISTER came from if the device asked for that (`rport`) or its Contact names another host (a NAT);
/// else the Contact's own port.
fn reach_by(flow: Flow, contact: &NameAddr, request: &Request) -> Flow {
    if flow.connection.is_some() {
        return flow;
    }
    let asked_for_source = request.top_via().is_some_and(|via| via.rport().is_some());
    let Some(uri) = contact.uri.as_sip() else { return flow };
    if asked_for_source || uri.host.ip() != Some(flow.remote.ip()) {
        return flow;
    }
    let mut flow = flow;
    flow.remote.set_port(uri.port.unwrap_or(5060));
    flow
}

fn same_flow(a: &Reach, b: &Reach) -> bool {
    match (a, b) {
        (Reach::Sip { flow: a, .. }, Reach::Sip { flow: b, .. }) => a == b,
        _ => false,
    }
}

fn contact_of(binding: &Binding, uri: &Uri, now: Now) -> NameAddr {
    // Rounded up: a device that asked for an hour a moment ago is told an hour.
    let left = binding.expires.since(now.wall).as_millis().div_ceil(1000).to_string();
    let contact = NameAddr::new(uri.clone()).with_param("expires", Some(&left));
    match &binding.key.device {
        DeviceKey::Instance { instance, reg_id } => {
            let contact = contact.with_param("+sip.instance", Some(&format!("\"<{instance}>\"")));
            if *reg_id == 0 { contact } else { contact.with_param("reg-id", Some(&reg_id.to_string())) }
        }
        DeviceKey::Contact(_) | DeviceKey::Web(_) => contact,
    }
}
