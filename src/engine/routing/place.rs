//! Where a caller is, and how a call-taker calls back: told with every emergency call (RFC 6442).

use std::net::IpAddr;

use crate::engine::numbering::Extension;

/// Most places of a site.
pub const MOST_PLACES: usize = 256;

/// A network by its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Any address in it.
    pub address: IpAddr,
    /// Bits that all its addresses share.
    pub bits: u8,
}

impl Subnet {
    /// Whether an address lies in it. An IPv4 address mapped into IPv6 is taken for what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let leading = |bits: u8, width: u32| width.saturating_sub(u32::from(bits));
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let different = net.to_bits() ^ host.to_bits();
                different.checked_shr(leading(self.bits, 32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let different = net.to_bits() ^ host.to_bits();
                different.checked_shr(leading(self.bits, 128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// A place of the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The extensions that are here wherever they sign in: desk phones.
    pub extensions: Vec<Extension>,
    /// The networks whose devices are here.
    pub networks: Vec<Subnet>,
    /// A location by `geo:` URI (RFC 5870), as in `geo:50.8466,4.3528`.
    pub geo: Option<String>,
    /// The same for people: street, house, floor, room.
    pub civic: Option<String>,
    /// The number under which the caller can be called back from outside.
    pub callback: Option<String>,
}

/// The places of a site, and where its devices are unless they are elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The site itself.
    pub site: Place,
    /// Its parts, at most [`MOST_PLACES`]; the first that fits counts.
    pub parts: Vec<Place>,
}

impl Places {
    /// Where a device is: where its network is, else where its extension's desk is, else at the site. What a place does not
    /// say, the site says.
    pub fn of(&self, extension: Option<&Extension>, address: Option<IpAddr>) -> Place {
        let by_network = self.parts.iter().find(|part| {
            address.is_some_and(|address| part.networks.iter().any(|network| network.contains(address)))
        });
        let by_extension =
            || self.parts.iter().find(|part| extension.is_some_and(|own| part.extensions.contains(own)));
        let Some(part) = by_network.or_else(by_extension) else { return self.site.clone() };
        Place {
            extensions: Vec::new(),
            networks: Vec::new(),
            geo: part.geo.clone().or_else(|| self.site.geo.clone()),
            civic: part.civic.clone().or_else(|| self.site.civic.clone()),
            callback: part.callback.clone().or_else(|| self.site.callback.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(address: &str, bits: u8) -> Subnet {
        Subnet { address: address.parse().unwrap(), bits }
    }

    #[test]
    fn a_network_contains_its_addresses() {
        let net = subnet("192.168.10.0", 24);
        assert!(net.contains("192.168.10.77".parse().unwrap()));
        assert!(net.contains("::ffff:192.168.10.77".parse().unwrap()));
        assert!(!net.contains("192.168.11.1".parse().unwrap()));
        assert!(subnet("0.0.0.0", 0).contains("203.0.113.1".parse().unwrap()));
        assert!(subnet("2001:db8::", 32).contains("2001:db8:1::1".parse().unwrap()));
        assert!(!subnet("2001:db8::", 32).contains("2001:db9::1".parse().unwrap()));
    }

    #[test]
    fn the_network_says_where_a_device_is_then_the_desk_then_the_site() {
        let place = |civic: &str| Place { civic: Some(civic.to_owned()), ..Place::default() };
        let site = Place { callback: Some("+3225551000".to_owned()), ..place("Rue 1, Brussels") };
        let desk = Place { extensions: vec!["1001".parse().unwrap()], ..place("desk") };
        let hall = Place { networks: vec![subnet("10.1.0.0", 16)], ..place("hall") };
        let places = Places { site, parts: vec![desk, hall] };
        let (ann, bob) = ("1001".parse().unwrap(), "1002".parse().unwrap());
        let civic = |extension, address: &str| {
            places.of(Some(extension), address.parse().ok()).civic.unwrap_or_default()
        };
        assert_eq!(civic(&ann, "10.1.2.3"), "hall");
        assert_eq!(civic(&ann, "10.2.2.3"), "desk");
        assert_eq!(civic(&bob, "10.2.2.3"), "Rue 1, Brussels");
        assert_eq!(places.of(Some(&ann), None).callback.as_deref(), Some("+3225551000"));
    }
}
