//! Values written as TOML strings, each with a syntax of its own and a sentence that explains it.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::sections::{ClientCertificates, Ice, JournalChoice, LogFormat, LogLevel, Transport};
use super::values::{CountryCode, Network, OfficeId, PortRange, parse_size, parse_time};

/// A type that is written as a string.
pub(super) trait Syntax: Sized {
    /// What belongs there, for a value that is not even a string.
    const EXPECTED: &'static str;

    /// Reads it, or says what was expected.
    fn parse(text: &str) -> Result<Self, String>;
}

/// A value of the file, read by its [`Syntax`].
#[derive(Clone, Debug)]
pub(super) struct Written<T>(pub(super) T);

impl<'de, T: Syntax> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(ByItsSyntax(PhantomData))
    }
}

struct ByItsSyntax<T>(PhantomData<T>);

impl<T: Syntax> Visitor<'_> for ByItsSyntax<T> {
    type Value = Written<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Written<T>, E> {
        T::parse(text).map(Written).map_err(|expected| E::custom(format!("{expected}, found \"{text}\"")))
    }
}

/// A [`Duration`] in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Duration);

impl Syntax for Time {
    const EXPECTED: &'static str = "a time with its unit, as in \"30s\"";

    fn parse(text: &str) -> Result<Self, String> {
        parse_time(text).map(Self)
    }
}

/// A number of bytes in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Syntax for Size {
    const EXPECTED: &'static str = "a size with its unit, as in \"64KiB\"";

    fn parse(text: &str) -> Result<Self, String> {
        parse_size(text).map(Self)
    }
}

macro_rules! by_from_str {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl Syntax for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| concat!("expected ", $expected).to_owned())
            }
        }
    )*};
}

by_from_str! {
    OfficeId: "two to eight capital letters and digits, a letter first, as in \"BRU\"",
    CountryCode: "one to three digits without plus, as in \"32\"",
    PortRange: "two ports from 1024 up, the lower first, as in \"20000-20999\"",
    SocketAddr: "an address and port, as in \"0.0.0.0:5061\" or \"[::]:5061\"",
    IpAddr: "an IP address, as in \"192.168.10.2\"",
}

impl Syntax for Network {
    const EXPECTED: &'static str = "a network, as in \"192.168.10.0/24\"";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

macro_rules! one_of {
    ($($type:ty: $expected:literal, $($word:literal => $value:expr),*;)*) => {$(
        impl Syntax for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)*
                    _ => Err(concat!("expected ", $expected).to_owned()),
                }
            }
        }
    )*};
}

one_of! {
    Transport: "\"udp\", \"tcp\" or \"tls\"",
        "udp" => Self::Udp, "tcp" => Self::Tcp, "tls" => Self::Tls;
    ClientCertificates: "\"off\", \"optional\" or \"required\"",
        "off" => Self::Off, "optional" => Self::Optional, "required" => Self::Required;
    Ice: "\"lite\" or \"full\"",
        "lite" => Self::Lite, "full" => Self::Full;
    LogLevel: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        "error" => Self::Error, "warn" => Self::Warn, "info" => Self::Info, "debug" => Self::Debug,
        "trace" => Self::Trace;
    LogFormat: "\"text\" or \"json\"",
        "text" => Self::Text, "json" => Self::Json;
    JournalChoice: "\"auto\", \"on\" or \"off\"",
        "auto" => Self::Auto, "on" => Self::On, "off" => Self::Off;
}
