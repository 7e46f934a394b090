//! All input and output: what the pure rooms decide is carried out here.

pub mod connectivity;
pub mod durable;
pub mod hex;
pub mod https;
mod idle;
pub mod media;
pub mod pki;
pub mod store;
