//! What a device is challenged with (RFC 8760): SHA-256 and MD5, as far as the device can bear it.
//!
//! RFC 8760 §2.4 has a device skip a challenge it does not know. Some in use give up instead:
//!
//! | User-Agent | offered | why |
//! | --- | --- | --- |
//! | `baresip v0`, `baresip v1` | MD5 | refuse a response in which any challenge has another algorithm |
//! | none | MD5, SHA-256 | test tools and old stacks (SIPp) read the first challenge only |
//! | any other | SHA-256, MD5 | |
//!
//! Nothing is given away: who can change a User-Agent on the way can strike out a challenge too, and either digest
//! is accepted from everybody.

use super::Registrar;
use crate::sip::digest::Algorithm;
use crate::sip::{HeaderName, Request, Response, Text};
use crate::time::Now;
use rand_chacha::rand_core::Rng;

/// Software that fails on an algorithm it does not know, by the beginning of its User-Agent.
const ONLY_MD5: [&str; 2] = ["baresip v0.", "baresip v1."];

impl Registrar {
    /// Adds the challenges to a 401 or 407, in the header `name`.
    pub(super) fn add_challenges(
        &mut self,
        now: Now,
        request: &Request,
        stale: bool,
        name: &HeaderName,
        response: &mut Response,
    ) {
        let offered = offered(request.headers.get(&HeaderName::UserAgent));
        let salt = self.random.next_u64();
        for challenge in self.authenticator.challenges(now.wall, salt, stale, offered) {
            response.headers.push(name.clone(), &challenge);
        }
    }
}

fn offered(user_agent: Option<&Text>) -> &'static [Algorithm] {
    match user_agent {
        None => &[Algorithm::Md5, Algorithm::Sha256],
        Some(name) if ONLY_MD5.iter().any(|old| name.starts_with(old)) => &[Algorithm::Md5],
        Some(_) => &[Algorithm::Sha256, Algorithm::Md5],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_offered_what_it_can_bear() {
        use Algorithm::{Md5, Sha256};
        for (name, wanted) in [
            (None, &[Md5, Sha256][..]),
            (Some("baresip v1.0.0 (x86_64/linux)"), &[Md5]),
            (Some("baresip v3.1.0"), &[Sha256, Md5]),
            (Some("Yealink SIP-T46U 108.86.0.70"), &[Sha256, Md5]),
        ] {
            assert_eq!(offered(name.map(Text::from).as_ref()), wanted, "{name:?}");
        }
    }
}
