//! Routing: which way a number goes out, and which ways are alive.
//!
//! | file | what |
//! | --- | --- |
//! | `link` | [`Link`], its kind, address and health policy |
//! | `route`, `pattern` | [`Route`]: a [`Pattern`] of numbers and the links that carry them |
//! | `table` | [`RouteTable`]: a checked, indexed, immutable set of both, with a [`Revision`] |
//! | `emergency` | [`EmergencyPlan`] |
//! | `dial` | [`Dial`]: what the shell is asked to connect, and what it answers |

mod dial;
mod emergency;
mod link;
mod name;
mod pattern;
mod route;
mod table;

pub use super::numbering::OfficeId;
pub use dial::{CONNECT_BUDGET, Dial, DialFailure, DialResult, DialTicket};
pub use emergency::EmergencyPlan;
pub use link::{HealthPolicy, Link, LinkAddress, LinkKind, SipAddress, Technology};
pub use name::{CredentialName, LinkId, PeerName};
pub use pattern::{LONGEST_PATTERN, Pattern};
pub use route::{LONGEST_PREFIX, MOST_LINKS_OF_A_ROUTE, Rewrite, Route};
pub use table::{Limits, MOST_LINKS, MOST_ROUTES, Part, Revision, RouteTable, TableFlaw, TableParts};
