//! `[federation]`, checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::numbering::Extension;
use crate::engine::policy::{Mask, Permissions, Rules};
use crate::engine::routing::{CredentialName, Limits, Link, Places, RouteTable};

/// `[federation]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Federation {
    /// Where other offices connect, by TLS; `None` without certificates.
    pub address: Option<SocketAddr>,
    /// The socket for carriers reached by UDP.
    pub udp_address: Option<SocketAddr>,
    /// This office's certificate, and who signs those of all.
    pub tls: Option<FederationTls>,
    /// The number that parties outside see.
    pub main_number: Option<String>,
    /// Whose phones and pages are told when somebody calls for help.
    pub emergency_contacts: Vec<Extension>,
    /// The site's own links.
    pub links: Vec<Arc<Link>>,
    /// The site's own links and routes as a table; `None` without routes.
    pub site: Option<Arc<RouteTable>>,
    /// With what we answer challenges of links' peers.
    pub credentials: Vec<LinkPassword>,
    /// What we show the federation's gateway.
    pub tokens: Vec<LinkToken>,
    /// Where the site's devices are.
    pub places: Places,
    /// Numbers outside that carriers deliver here.
    pub inbound: Vec<Mask>,
    /// Limits of calls over links, while ops have pushed none.
    pub limits: Limits,
    /// What other offices may do here, where ops say nothing.
    pub permissions: Permissions,
    /// The site's own rules for calls that go out.
    pub rules: Rules,
}

/// The certificates of `[federation]`: shown to whoever connects, and to whom we connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederationTls {
    /// This office's certificate; its common name is the office's id.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs all offices' certificates.
    pub ca: PathBuf,
    /// What of these was revoked.
    pub crl: Option<PathBuf>,
}

/// `[[federation.credential]]` with `token-file`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    /// Its name in routes.
    pub name: CredentialName,
    /// The file that holds the token.
    pub token: PathBuf,
}

/// `[[federation.credential]]` with `username` and `password-file`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPassword {
    /// Its name in routes.
    pub name: CredentialName,
    /// The user name.
    pub username: String,
    /// The file that holds the password.
    pub password: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, ConfigError, Environment, parse};

    fn load(text: &str) -> Result<Config, ConfigError> {
        parse(Path::new("b.toml"), text, &Environment::default())
    }

    const ALL: &str = r#"
[office]
id = "BRU"
[federation]
address = "127.0.0.1:5062"
udp-address = "127.0.0.1:5064"
certificate = "/pki/bru.pem"
key = "/pki/bru.key"
ca = "/pki/ca.pem"
main-number = "+3225551000"
emergency-contacts = ["1001", "1002"]
geo = "geo:50.8466,4.3528"
civic = "Rue 1"
[[federation.link]]
id = "par"
kind = "SipTrunk"
office = "PAR"
address = "sips:par.example:5062"
[[federation.link]]
id = "carrier"
kind = "PstnGateway"
address = "sip:sip.carrier.example"
credentials = "carrier"
register = "10m"
max-calls = 8
[[federation.route]]
pattern = "PAR-*"
links = ["par"]
[[federation.route]]
pattern = "0*"
links = ["carrier"]
strip = 1
prefix = "+32"
[[federation.credential]]
name = "carrier"
username = "bru"
password-file = "/secret"
[[federation.link]]
id = "gateway"
kind = "ApiGateway"
address = "wss://gateway.example"
credentials = "gateway"
[[federation.credential]]
name = "gateway"
token-file = "/token"
[[federation.place]]
networks = ["10.1.0.0/16"]
extensions = ["1001"]
civic = "Hall"
callback = "+3225551077"
[federation.limits]
calls-per-office = 30
[[federation.permission]]
office = "PAR"
may = ["extensions", "pstn"]
numbers = ["+33*"]
visitors = ["extensions"]
[[federation.permission]]
office = "*"
[[federation.rule]]
name = "no-premium"
numbers = ["+3289*"]
action = "refuse"
[[federation.rule]]
name = "abroad"
numbers = ["+*"]
from = ["office:PAR", "visitors", "1001"]
minutes-per-day = 120
max-duration = "1h"
"#;

    #[test]
    fn everything_is_read() {
        let federation = load(ALL).unwrap().federation;
        assert_eq!(federation.address.map(|address| address.port()), Some(5062));
        assert_eq!(federation.links.len(), 3);
        let site = federation.site.unwrap();
        let sent: Vec<_> = site.find("025551234").map(|route| route.rewrite.apply("025551234")).collect();
        assert_eq!(sent, [Some("+3225551234".to_owned())]);
        assert_eq!(federation.credentials[0].name.as_str(), "carrier");
        let contacts: Vec<String> = federation.emergency_contacts.iter().map(ToString::to_string).collect();
        assert_eq!(contacts, ["1001", "1002"]);
        assert_eq!(federation.limits.calls_per_office, Some(30));
        assert_eq!(federation.permissions.entries().len(), 2);
        assert_eq!(federation.rules.iter().map(|rule| rule.name.as_str()).last(), Some("abroad"));
        assert_eq!(federation.tokens[0].token, Path::new("/token"));
        let place = federation.places.of(None, "10.1.2.3".parse().ok());
        assert_eq!(
            (place.civic.as_deref(), place.geo.as_deref()),
            (Some("Hall"), Some("geo:50.8466,4.3528"))
        );
    }

    #[test]
    fn nothing_is_federation_by_default() {
        assert_eq!(load("").unwrap().federation, super::Federation::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("ca = \"/pki/ca.pem\"", "", "federation.certificate: certificate, key and ca come together"),
            ("kind = \"SipTrunk\"", "kind = \"Trunk\"", "federation.link.kind: expected SipTrunk, IaxTrunk"),
            ("office = \"PAR\"", "", "federation.link: office: expected the office at the other end"),
            ("sips:par.example:5062", "sip:par.example", "federation.link: address: expected sip:HOST"),
            (
                "credentials = \"carrier\"",
                "credentials = \"x\"",
                "no [[federation.credential]] is called \"x\"",
            ),
            (
                "wss://gateway.example\"\ncredentials = \"gateway\"",
                "wss://gateway.example\"\ncredentials = \"carrier\"",
                "the federation's gateway wants a token: a credential with `token-file`",
            ),
            (
                "token-file = \"/token\"",
                "token-file = \"/token\"\nusername = \"bru\"",
                "expected `token-file` alone",
            ),
            ("id = \"carrier\"", "id = \"par\"", "two links are called \"par\""),
            ("links = [\"carrier\"]", "links = [\"far\"]", "`far` is no link of this set"),
            ("geo:50.8466,4.3528", "geo:here", "expected a location as in"),
            ("\"1002\"", "\"guard\"", "federation.emergency-contacts: "),
            ("+3225551000", "main", "expected a number as carriers want it"),
            ("[\"extensions\", \"pstn\"]", "[\"extension\"]", "expected extensions, roamers, transit, pstn"),
            ("[\"extensions\", \"pstn\"]", "[\"extensions\"]", "these are numbers outside"),
            ("office = \"*\"", "office = \"PAR\"", "it has an entry already"),
            ("office = \"*\"", "office = \"BRU\"", "expected another office than this one"),
            ("name = \"abroad\"", "name = \"no-premium\"", "it is there twice"),
            ("action = \"refuse\"", "", "expected refuse, permit, or a limit"),
            ("action = \"refuse\"", "action = \"deny\"", "expected refuse, permit or limit"),
            ("\"visitors\", \"1001\"", "\"guests\"", "expected an extension, office:ID"),
            ("calls-per-office = 30", "calls-per-office = 0", "expected a number from 1"),
            ("127.0.0.1:5062", "127.0.0.1:5061", "is already taken by a SIP listener"),
        ] {
            let error = load(&ALL.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
    }
}
