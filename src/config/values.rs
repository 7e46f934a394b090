//! Values with a syntax of their own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::engine::numbering;
pub use crate::engine::numbering::OfficeId;

/// A country calling code without plus: one to three digits, the first not zero (ITU-T E.164).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryCode(numbering::CountryCode);

impl CountryCode {
    /// The code, as the numbering room has it.
    pub const fn number(&self) -> numbering::CountryCode {
        self.0
    }
}

impl FromStr for CountryCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<numbering::CountryCode>() {
            Ok(code) => Ok(Self(code)),
            Err(_) => Err("expected a country's calling code without plus, as in \"32\"".to_owned()),
        }
    }
}

/// A network in CIDR notation (`192.168.10.0/24`, `fd00::/8`); a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The address as written.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether `address` lies in this network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }

    /// The length of the network's prefix, in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a network as in \"192.168.10.0/24\" or \"fd00::/8\"".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse::<u8>().map_err(|_| expected())?,
            None => widest,
        };
        if prefix > widest {
            return Err(format!("expected a prefix of at most {widest} bits"));
        }
        Ok(Self { address, prefix })
    }
}

/// UDP ports from `first` to `last`, both included (`"20000-20999"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether `port` is one of these.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// How many pairs (even RTP port, the odd RTCP port after it) the range holds (RFC 3550 §11).
    pub fn pairs(self) -> u16 {
        let first_even = u32::from(self.first).next_multiple_of(2);
        let after = u32::from(self.last) + 1;
        u16::try_from(after.saturating_sub(first_even) / 2).unwrap_or(u16::MAX)
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (first, last) = text.split_once('-')?;
            Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
        };
        match parse() {
            Some((first, last)) if first >= 1024 && first < last => Ok(Self { first, last }),
            _ => Err("expected two ports from 1024 up, the lower first, as in \"20000-20999\"".to_owned()),
        }
    }
}

/// A length of time with its unit: `"250ms"`, `"30s"`, `"5m"`, `"4h"`, `"90d"`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time with its unit (ms, s, m, h or d), as in \"30s\"".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(expected)?;
    let millis_each: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    number.checked_mul(millis_each).map(Duration::from_millis).ok_or_else(expected)
}

/// A number of bytes with its unit: `"512B"`, `"64KiB"`, `"16MiB"`, `"1GiB"`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || "expected a size with its unit (B, KiB, MiB or GiB), as in \"64KiB\"".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(expected)?;
    let bytes_each: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected()),
    };
    number.checked_mul(bytes_each).ok_or_else(expected)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_only() {
        let lan: Network = "192.168.10.0/24".parse().unwrap();
        assert!(lan.contains("192.168.10.255".parse().unwrap()));
        assert!(lan.contains("::ffff:192.168.10.7".parse().unwrap()), "mapped addresses are IPv4");
        assert!(!lan.contains("192.168.11.0".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
        let one: Network = "fd00::1".parse().unwrap();
        assert_eq!(one.prefix(), 128);
        assert!(one.contains("fd00::1".parse().unwrap()));
        assert!(!one.contains("fd00::2".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_and_sizes_carry_their_units() {
        assert_eq!(parse_time("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_time("90d").unwrap(), Duration::from_secs(90 * 86_400));
        assert_eq!(parse_time("5 m").unwrap(), Duration::from_secs(300));
        assert_eq!(parse_size("64KiB").unwrap(), 65_536);
        for bad in ["", "30", "s", "-3s", "1.5s", "30 sec", "18446744073709551615d"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
        for bad in ["", "64", "64kb", "18446744073709551615GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn port_ranges_count_pairs_that_begin_even() {
        let range: PortRange = "20001-20010".parse().unwrap();
        assert_eq!(range.pairs(), 4, "20002, 20004, 20006, 20008");
        assert_eq!("20000-20999".parse::<PortRange>().unwrap().pairs(), 500);
        assert_eq!("1024-65535".parse::<PortRange>().unwrap().pairs(), 32_256);
        for bad in ["", "20000", "20999-20000", "80-90", "20000-70000"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_have_their_alphabet() {
        assert_eq!("BRU".parse::<OfficeId>().unwrap().as_str(), "BRU");
        for bad in ["", "B", "bru", "1BRU", "TOOLONGID", "B U"] {
            assert!(bad.parse::<OfficeId>().is_err(), "{bad}");
        }
        assert!("32".parse::<CountryCode>().is_ok());
        for bad in ["", "032", "+32", "1234", "999"] {
            assert!(bad.parse::<CountryCode>().is_err(), "{bad}");
        }
    }
}
