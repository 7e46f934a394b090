//! Routing: which way a number goes out, and which ways are alive.
//!
//! | file | what |
//! | --- | --- |
//! | `link` | [`Link`], its kind, address and health policy |
//! | `route`, `pattern` | [`Route`]: a [`Pattern`] of numbers and the links that carry them |
//! | `table` | [`RouteTable`]: a checked, indexed, immutable set of both, with a [`Revision`] |
//! | `health` | [`Health`]: [`LinkState`] by probes and real calls, with damped recovery |
//! | `plan` | [`plan()`]: which links to try, in which order, and why not the others |
//! | `emergency`, `place` | [`emergency_ways`]: every way out; where a caller is |
//! | `dial` | [`Dial`]: what the shell is asked to connect, and what it answers |
//! | `router` | [`Router`]: the table in force, the site's own links, and how they are |
//! | `links`, `order` | [`Links`]: connections, health and calls of the links in force |

mod dial;
mod emergency;
mod health;
mod link;
mod links;
mod name;
mod order;
mod pattern;
mod place;
mod plan;
mod route;
mod router;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use super::numbering::OfficeId;
pub use dial::{CONNECT_BUDGET, Dial, DialFailure, DialResult, DialTicket, FederationToken};
pub use emergency::{EmergencyPlan, EmergencyWay, Exits, emergency_ways};
pub use health::{CALL_HOLD, FIRST_HOLD, Health, LONGEST_HOLD, LinkFailure, LinkState, LinkSuccess, STEADY};
pub use link::{HealthPolicy, Link, LinkAddress, LinkKind, LinkLocation, SipAddress, Technology};
pub use links::{FAST, Links};
pub use name::{CredentialName, LinkId, PeerName, RuleName};
pub use order::{LinkChange, LinkOrder, LinkView, ProbeToken, Reach, RegisterToken};
pub use pattern::{LONGEST_PATTERN, Pattern};
pub use place::{MOST_PLACES, Place, Places, Subnet};
pub use plan::{Choice, LinkPlan, MOST_ATTEMPTS, Query, SkipReason, Skipped, Standing, plan};
pub use route::{LONGEST_PREFIX, MOST_LINKS_OF_A_ROUTE, Rewrite, Route};
pub use router::Router;
pub use table::{Limits, MOST_LINKS, MOST_ROUTES, Part, Revision, RouteTable, TableFlaw, TableParts};
