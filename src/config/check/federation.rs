//! `[federation]`: how other offices and carriers are reached, by the site's own word.

use std::net::SocketAddr;
use std::sync::Arc;

use toml::Spanned;

use super::{Checker, days, plain, seconds};
use crate::config::federation::{Federation, FederationTls, LinkPassword, LinkToken};
use crate::config::raw::{self, Key};
use crate::config::sections::{Office, Sip};
use crate::engine::policy::{Permissions, Rules};
use crate::engine::routing::{
    CredentialName, EmergencyPlan, HealthPolicy, Limits, Link, LinkAddress, LinkKind, OfficeId, Revision,
    Rewrite, Route, RouteTable, TableParts,
};
use crate::sip::Transport;

/// Links of the site's own at most; ops push the others.
const MOST_LINKS: usize = 64;
/// Credentials at most.
const MOST_CREDENTIALS: usize = 64;
const CREDENTIAL: &str = "expected `name`, and `username` with `password-file`, or `token-file`";

impl Checker<'_> {
    pub(super) fn federation(&mut self, raw: &raw::Federation, sip: &Sip, office: &Office) -> Federation {
        let tls = self.federation_tls(raw);
        let address = plain(&raw.address, SocketAddr::from(([0, 0, 0, 0], 5062)));
        let taken = sip.listen.iter().any(|listen| {
            listen.address.port() == address.port()
                && (listen.address.ip() == address.ip()
                    || listen.address.ip().is_unspecified()
                    || address.ip().is_unspecified())
        });
        if taken && tls.is_some() {
            let message = format!("{address} is already taken by a SIP listener");
            self.refuse(super::place(&raw.address), "federation.address", message);
        }
        let (credentials, tokens) = self.credentials(&raw.credential);
        let refused = self.problems.len();
        let links = self.links(&raw.link, &credentials, &tokens);
        let are_sound = self.problems.len() == refused;
        Federation {
            address: tls.is_some().then_some(address),
            udp_address: raw.udp_address.as_ref().map(|written| written.get_ref().0),
            tls,
            main_number: self.number_outside(&raw.main_number, "federation.main-number"),
            emergency_contacts: self.emergency_contacts(&raw.emergency_contacts),
            site: if are_sound { self.site_table(&raw.route, &links, office) } else { None },
            links,
            credentials,
            tokens,
            places: self.places(raw),
            inbound: self.inbound(raw),
            limits: self.link_limits(&raw.limits),
            permissions: self.permissions(&raw.permission, office),
            rules: self.rules(&raw.rule),
        }
    }

    fn federation_tls(&mut self, raw: &raw::Federation) -> Option<FederationTls> {
        let certificate = self.file(&raw.certificate, "federation.certificate");
        let key = self.file(&raw.key, "federation.key");
        let ca = self.file(&raw.ca, "federation.ca");
        let crl = self.file(&raw.crl, "federation.crl");
        let given = [&raw.certificate, &raw.key, &raw.ca].map(Option::is_some);
        if given == [false; 3] {
            return None;
        }
        if given != [true; 3] && self.complete {
            let message =
                "certificate, key and ca come together: the office's own, and who signs all offices'";
            self.refuse(None, "federation.certificate", message);
        }
        Some(FederationTls { certificate: certificate?, key: key?, ca: ca?, crl })
    }

    fn credentials(
        &mut self,
        raw: &[Spanned<raw::FederationCredential>],
    ) -> (Vec<LinkPassword>, Vec<LinkToken>) {
        let name = "federation.credential";
        if let Some(one) = raw.get(MOST_CREDENTIALS) {
            self.refuse(Some(one.span()), name, format!("expected at most {MOST_CREDENTIALS}"));
        }
        let (mut passwords, mut tokens) = (Vec::new(), Vec::new());
        for one in raw.iter().take(MOST_CREDENTIALS) {
            if one.get_ref().token_file.is_some() {
                tokens.extend(self.link_token(one));
            } else {
                passwords.extend(self.link_password(one));
            }
        }
        (passwords, tokens)
    }

    fn link_token(&mut self, one: &Spanned<raw::FederationCredential>) -> Option<LinkToken> {
        let entry = one.get_ref();
        if entry.username.is_some() || entry.password_file.is_some() {
            let message = "expected `token-file` alone, or `username` and `password-file`";
            self.refuse(Some(one.span()), "federation.credential", message);
        }
        let name = self.credential_name(entry, one)?;
        let token = self.file(&entry.token_file, "federation.credential.token-file")?;
        Some(LinkToken { name, token })
    }

    fn link_password(&mut self, one: &Spanned<raw::FederationCredential>) -> Option<LinkPassword> {
        let entry = one.get_ref();
        if entry.username.is_none() || entry.password_file.is_none() {
            if self.complete {
                self.refuse(Some(one.span()), "federation.credential", CREDENTIAL);
            }
            return None;
        }
        let name = self.credential_name(entry, one)?;
        let username = entry.username.as_ref()?.get_ref().clone();
        let password = self.file(&entry.password_file, "federation.credential.password-file")?;
        Some(LinkPassword { name, username, password })
    }

    fn credential_name(
        &mut self,
        entry: &raw::FederationCredential,
        one: &Spanned<raw::FederationCredential>,
    ) -> Option<CredentialName> {
        let Some(name) = &entry.name else {
            if self.complete {
                self.refuse(Some(one.span()), "federation.credential", CREDENTIAL);
            }
            return None;
        };
        match name.get_ref().parse() {
            Ok(name) => Some(name),
            Err(expected) => {
                self.refuse(Some(name.span()), "federation.credential.name", expected);
                None
            }
        }
    }

    fn links(
        &mut self,
        raw: &[Spanned<raw::FederationLink>],
        passwords: &[LinkPassword],
        tokens: &[LinkToken],
    ) -> Vec<Arc<Link>> {
        if let Some(one) = raw.get(MOST_LINKS) {
            self.refuse(Some(one.span()), "federation.link", format!("expected at most {MOST_LINKS}"));
        }
        let mut links: Vec<Arc<Link>> = Vec::new();
        for one in raw.iter().take(MOST_LINKS) {
            let Some(link) = self.link(one) else { continue };
            if links.iter().any(|other| other.id == link.id) {
                let message = format!("two links are called \"{}\"", link.id);
                self.refuse(Some(one.span()), "federation.link.id", message);
            }
            if let Some(wanted) = &link.credentials {
                let is_password = passwords.iter().any(|known| known.name == *wanted);
                let is_token = tokens.iter().any(|known| known.name == *wanted);
                let message = if !is_password && !is_token {
                    Some(format!("no [[federation.credential]] is called \"{wanted}\""))
                } else if wants_token(&link) && !is_token {
                    Some("the federation's gateway wants a token: a credential with `token-file`".to_owned())
                } else if !wants_token(&link) && !is_password {
                    Some(
                        "only the federation's gateway takes a token; expected one with a password"
                            .to_owned(),
                    )
                } else {
                    None
                };
                if let Some(message) = message {
                    self.refuse(Some(one.span()), "federation.link.credentials", message);
                }
            }
            links.push(Arc::new(link));
        }
        links
    }

    fn link(&mut self, one: &Spanned<raw::FederationLink>) -> Option<Link> {
        let raw = one.get_ref();
        let link = Link {
            id: self.parsed(&raw.id, one, "id")?,
            kind: self.parsed(&raw.kind, one, "kind")?,
            office: self.parsed_if(&raw.office, "office"),
            address: self.parsed(&raw.address, one, "address")?,
            credentials: self.parsed_if(&raw.credentials, "credentials"),
            registration: raw.register.as_ref().map(|_| {
                self.time(&raw.register, "federation.link.register", seconds(600), seconds(60), days(1))
            }),
            cost: self.number(&raw.cost, "federation.link.cost", 0, 0, u32::MAX),
            price: self.number(&raw.price, "federation.link.price", 0, 0, u32::MAX),
            priority: self.number(&raw.priority, "federation.link.priority", 0, 0, u16::MAX),
            weight: self.number(&raw.weight, "federation.link.weight", 1, 0, u16::MAX),
            max_calls: raw
                .max_calls
                .as_ref()
                .map(|_| self.number(&raw.max_calls, "federation.link.max-calls", 1, 1, 10_000)),
            location: self.parsed_if(&raw.location, "location").unwrap_or_default(),
            health: HealthPolicy {
                probe: self.time(&raw.probe, "federation.link.probe", seconds(5), seconds(0), seconds(3600)),
                ..HealthPolicy::default()
            },
            disabled: false,
        };
        if let Some((field, expected)) = link.flaw()
            && self.complete
        {
            let name = format!("federation.link.{field}");
            self.refuse(Some(one.span()), &name, format!("{field}: {expected}"));
        }
        let is_gateway = link.kind == LinkKind::PstnGateway;
        if is_gateway && link.office.is_some() {
            self.refuse(Some(one.span()), "federation.link.office", "a carrier is no office");
        }
        Some(link)
    }

    /// A value that a link must have.
    fn parsed<T: std::str::FromStr>(
        &mut self,
        key: &Key<String>,
        link: &Spanned<raw::FederationLink>,
        name: &str,
    ) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        if key.is_none() && self.complete {
            let message = "expected `id`, `kind` and `address`, as in id = \"carrier\", kind = \"PstnGateway\", address = \"sip:sip.carrier.example\"";
            self.refuse(Some(link.span()), &format!("federation.link.{name}"), message);
        }
        self.parsed_if(key, name)
    }

    /// A value that a link may have.
    fn parsed_if<T: std::str::FromStr>(&mut self, key: &Key<String>, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let written = key.as_ref()?;
        match written.get_ref().parse() {
            Ok(value) => Some(value),
            Err(expected) => {
                let message = format!("{expected}, found \"{}\"", written.get_ref());
                self.refuse(Some(written.span()), &format!("federation.link.{name}"), message);
                None
            }
        }
    }

    /// The site's own routes over its own links.
    fn site_table(
        &mut self,
        raw: &[Spanned<raw::FederationRoute>],
        links: &[Arc<Link>],
        office: &Office,
    ) -> Option<Arc<RouteTable>> {
        let mut routes = Vec::new();
        for one in raw {
            match route(one.get_ref()) {
                Ok(route) => routes.push(route),
                Err(_) if !self.complete => {}
                Err(expected) => self.refuse(Some(one.span()), "federation.route", expected),
            }
        }
        if routes.is_empty() {
            return None;
        }
        let parts = TableParts {
            office: office.id,
            revision: Revision::default(),
            not_after: None,
            links: links.iter().map(|link| (**link).clone()).collect(),
            routes,
            emergency: EmergencyPlan::default(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            rules: Rules::default(),
        };
        match RouteTable::new(parts) {
            Ok(table) => Some(Arc::new(table)),
            Err(flaw) => {
                if self.complete {
                    self.refuse(raw.first().map(Spanned::span), "federation.route", flaw.to_string());
                }
                None
            }
        }
    }
}

/// The federation's gateway, reached by WebSocket, is shown a token; all others ask for a password.
fn wants_token(link: &Link) -> bool {
    matches!(&link.address, LinkAddress::Sip(address) if address.transport == Transport::Wss)
}

fn route(raw: &raw::FederationRoute) -> Result<Route, String> {
    let expected = "expected `pattern` and `links`, as in pattern = \"PAR-*\", links = [\"par\"]";
    let pattern = raw.pattern.as_ref().ok_or(expected)?.get_ref();
    let links = raw.links.iter().map(|link| link.get_ref().parse()).collect::<Result<_, _>>()?;
    let prefix = raw.prefix.as_ref().map(|prefix| prefix.get_ref().as_str()).unwrap_or_default();
    Ok(Route {
        office: OfficeId::split(pattern).map(|(office, _)| office),
        pattern: pattern.parse()?,
        links,
        priority: 0,
        cost: 0,
        price: raw.price.as_ref().map(|price| *price.get_ref()),
        rewrite: Rewrite::Edit {
            strip: raw.strip.as_ref().map_or(0, |strip| *strip.get_ref()),
            prefix: prefix.into(),
        },
    })
}
