//! Configuration: the only reader of files, environment and credentials.
//!
//! | file | what is there |
//! | --- | --- |
//! | `sections` | [`Config`] and its sections: checked, immutable, what the rest of the daemon sees |
//! | `values` | newtypes with their own syntax: office id, network, port range, time, size |
//! | `raw` | the TOML file as serde sees it: kebab-case, unknown keys refused |
//! | `check` | raw → checked: defaults, and the rules that join several keys |
//! | `problem` | what is wrong, where (file, line, column, key) and what was expected |
//! | `recover` | finds all the problems of a file in one pass, suggests the nearest key |
//! | `secret` | `credential:NAME` and paths; refuses keys that others may read |
//!
//! A bad file is refused as a whole and every problem in it is reported at once. The daemon and
//! `branchline check` use the same [`load`].

mod sections;
mod values;

pub use sections::{
    Asterisk, Calls, Certificate, ClientCertificates, Config, Https, Ice, JournalChoice, Listen, Log,
    LogFormat, LogLevel, Media, Metrics, Numbers, Office, Paths, Records, Registrar, Sip, SipLimits, SipTls,
    Transport,
};
pub use values::{CountryCode, Network, OfficeId, PortRange};
