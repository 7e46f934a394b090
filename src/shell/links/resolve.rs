//! The addresses of a link's host.

use std::net::SocketAddr;

use tokio::net::lookup_host;

use crate::engine::routing::{DialFailure, SipAddress};
use crate::sip::uri::Host;

/// Most addresses that are tried.
const MOST: usize = 8;

/// The addresses behind a host, at most eight, both families in turn (RFC 8305 §4), in the resolver's order within each.
pub(super) async fn addresses(address: &SipAddress) -> Result<Vec<SocketAddr>, DialFailure> {
    let name = match &address.host {
        Host::V4(v4) => return Ok(vec![SocketAddr::new((*v4).into(), address.port)]),
        Host::V6(v6) => return Ok(vec![SocketAddr::new((*v6).into(), address.port)]),
        Host::Name(name) => name,
    };
    let found = lookup_host((name.as_str(), address.port)).await.map_err(|_| DialFailure::Unresolved)?;
    let addresses = in_turn(found);
    if addresses.is_empty() { Err(DialFailure::Unresolved) } else { Ok(addresses) }
}

fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut first, mut second): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for address in found {
        let is_first = first.first().is_none_or(|one: &SocketAddr| one.is_ipv4() == address.is_ipv4());
        let family = if is_first { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let longest = first.len().max(second.len());
    let pairs = (0..longest).flat_map(|place| [first.get(place), second.get(place)]);
    pairs.flatten().copied().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_in_turn_each_address_once() {
        let texts = ["192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "192.0.2.3:1"];
        let found = in_turn(texts.iter().map(|text| text.parse().unwrap()));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1", "192.0.2.3:1"]);
        let many = (0..20).map(|n| SocketAddr::from(([192, 0, 2, n], 1)));
        assert_eq!(in_turn(many).len(), MOST);
    }

    #[tokio::test]
    async fn an_address_needs_no_resolver_and_a_name_without_one_says_so() {
        let address = |text: &str| match text.parse().unwrap() {
            crate::engine::routing::LinkAddress::Sip(sip) => sip,
            other @ crate::engine::routing::LinkAddress::Asterisk { .. } => panic!("{other}"),
        };
        let found = addresses(&address("sip:[::1]:5070")).await.unwrap();
        assert_eq!(found, ["[::1]:5070".parse::<SocketAddr>().unwrap()]);
        let none = addresses(&address("sip:no-such-host.invalid")).await;
        assert_eq!(none, Err(DialFailure::Unresolved));
    }
}
