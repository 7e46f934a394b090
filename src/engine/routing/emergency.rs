//! Where emergency calls go.

use super::name::LinkId;
use crate::engine::numbering::EmergencyNumbers;

/// Where emergency calls go, as ops wish it. The site's own numbers and links come on top; nothing here can take a way out
/// from an emergency call, only put others before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmergencyPlan {
    /// Numbers beside those of the configuration; 112 and 911 always are.
    pub numbers: EmergencyNumbers,
    /// The links to try first, in this order.
    pub links: Vec<LinkId>,
}
