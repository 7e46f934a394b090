//! HTTP: REST, `/ws/auth`, SIP over WebSocket, the page in the binary.
//!
//! This room authenticates and translates; it decides nothing about calls. What a browser asks becomes a
//! [`WebInput`](crate::engine::web::WebInput) on a bounded channel to the engine's task, and what the engine
//! says comes back through [`line::Switchboard`]. The sockets are the shell's (`shell::https`): it hands over
//! requests that carry a [`Peer`].
//!
//! | file | what is there |
//! | --- | --- |
//! | `router` | every path, and what surrounds each answer: limits, security headers |
//! | `state` | [`Api`]: what the paths share; [`Settings`] and [`Limits`] |
//! | `line` | the channel to the engine's task and the way back: tickets and sessions |
//! | `auth` | who is asking: [`Authenticate`], passwords, bearer tokens |
//! | `token` | session tokens: signed, so that they outlive a restart |
//! | `lockout` | password guessing is stopped |
//! | `rate` | requests per client |
//! | `origin` | which pages may open our WebSockets |
//! | `session` | `POST session`, `DELETE session` |
//! | `calls`, `signaling` | calls over REST |
//! | `records` | calls that are over |
//! | `extensions` | who is in the office; what a written number means |
//! | `reach` | where a call would go, and why; presence |
//! | `visitors` | accounts of other offices' users |
//! | `paging` | long lists come in pages |
//! | `idempotency` | `Idempotency-Key` of `POST calls` |
//! | `ws` | `/ws/auth`: a page's event stream |
//! | `sip_socket` | `/sip`: RFC 7118, handed to the SIP transport |
//! | `pages` | the phone page, with caching |
//! | `status`, `metrics` | health, status, Prometheus |
//! | `problem` | why a box refuses |
//! | `refusal` | the shape of every refusal, as RFC 9457 |

pub mod auth;
mod calls;
mod extensions;
mod idempotency;
pub mod line;
mod lockout;
pub mod metrics;
mod origin;
mod pages;
mod paging;
mod peer;
mod problem;
mod rate;
mod reach;
mod records;
mod refusal;
mod router;
mod session;
mod signaling;
mod sip_socket;
mod state;
mod status;
mod token;
mod visitors;
mod ws;

#[cfg(test)]
mod tests;

pub use auth::{Authenticate, WebAccount};
pub use extensions::{Directory, Entry};
pub use line::{EngineLine, EnginePort, LineCapacity, Switchboard};
pub use lockout::LockoutRule;
pub use metrics::ApiMetrics;
pub use peer::{Peer, Source};
pub use problem::{Problem, Reason};
pub use rate::RateRule;
pub use records::{FoundRecord, Records};
pub use refusal::{ProblemOf, Why};
pub use router::{metrics_router, router};
pub use sip_socket::{SipFrame, SipSocket, SipSocketError};
pub use state::{Api, IceMode, IceServer, Limits, Parts, SessionKey, Settings};
pub use status::{Condition, HealthView, Vitals};
#[cfg(feature = "controller")]
pub(crate) use {
    auth::{bearer, source_of},
    pages::{Asset, CSS, HTML, SCRIPT, serve, tag},
    paging::{Page, Paging},
    rate::Rates,
    router::{declared_length, is_json, protect},
    sip_socket::{limited, offers_sip},
};
