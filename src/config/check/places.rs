//! Where the site and its devices are, and who is told when somebody there calls for help.

use toml::Spanned;

use super::Checker;
use crate::config::raw::{self, Key};
use crate::engine::numbering::Extension;
use crate::engine::routing::{MOST_PLACES, Place, Places, Subnet};

/// Extensions that are told of emergency calls, at most.
const MOST_CONTACTS: usize = 16;
/// Longest civic location, in characters.
const LONGEST_CIVIC: usize = 200;

impl Checker<'_> {
    pub(super) fn places(&mut self, raw: &raw::Federation) -> Places {
        if let Some(one) = raw.place.get(MOST_PLACES) {
            self.refuse(Some(one.span()), "federation.place", format!("expected at most {MOST_PLACES}"));
        }
        let site = Place {
            geo: self.geo(&raw.geo, "federation.geo"),
            civic: self.civic(&raw.civic, "federation.civic"),
            ..Place::default()
        };
        let parts =
            raw.place.iter().take(MOST_PLACES).map(|one| self.federation_place(one.get_ref())).collect();
        Places { site, parts }
    }

    pub(super) fn emergency_contacts(&mut self, raw: &[Spanned<String>]) -> Vec<Extension> {
        let name = "federation.emergency-contacts";
        if let Some(one) = raw.get(MOST_CONTACTS) {
            self.refuse(Some(one.span()), name, format!("expected at most {MOST_CONTACTS}"));
        }
        self.extensions(raw, name)
    }

    fn extensions(&mut self, raw: &[Spanned<String>], name: &str) -> Vec<Extension> {
        let mut extensions = Vec::new();
        for written in raw {
            match written.get_ref().parse() {
                Ok(extension) => extensions.push(extension),
                Err(error) => self.refuse(Some(written.span()), name, format!("{error}")),
            }
        }
        extensions
    }

    fn federation_place(&mut self, raw: &raw::FederationPlace) -> Place {
        let extensions = self.extensions(&raw.extensions, "federation.place.extensions");
        let subnet = |network: &crate::config::syntax::Written<crate::config::Network>| Subnet {
            address: network.0.address(),
            bits: network.0.prefix(),
        };
        Place {
            extensions,
            networks: raw.networks.iter().map(subnet).collect(),
            geo: self.geo(&raw.geo, "federation.place.geo"),
            civic: self.civic(&raw.civic, "federation.place.civic"),
            callback: self.number_outside(&raw.callback, "federation.place.callback"),
        }
    }

    fn geo(&mut self, key: &Key<String>, name: &str) -> Option<String> {
        let written = key.as_ref()?;
        let text = written.get_ref();
        let allowed = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.' | '-' | ';' | '=' | 'u');
        let body = text.strip_prefix("geo:").filter(|body| body.contains(',') && body.chars().all(allowed));
        if body.is_none() || text.len() > 64 {
            let message = format!("expected a location as in \"geo:50.8466,4.3528\", found \"{text}\"");
            self.refuse(Some(written.span()), name, message);
            return None;
        }
        Some(text.clone())
    }

    fn civic(&mut self, key: &Key<String>, name: &str) -> Option<String> {
        let written = key.as_ref()?;
        let text = written.get_ref();
        if text.is_empty() || text.chars().count() > LONGEST_CIVIC || text.chars().any(char::is_control) {
            self.refuse(Some(written.span()), name, "expected 1 to 200 printable characters");
            return None;
        }
        Some(text.clone())
    }

    pub(super) fn number_outside(&mut self, key: &Key<String>, name: &str) -> Option<String> {
        let written = key.as_ref()?;
        let text = written.get_ref();
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !(3..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("expected a number as carriers want it, as in \"+3225551000\", found \"{text}\"");
            self.refuse(Some(written.span()), name, message);
            return None;
        }
        Some(text.clone())
    }
}
