//! Listeners with real peers on loopback: who sends what, what must arrive, how it must end.

mod harness;
mod secure;
mod streams;
mod udp;
mod websockets;
