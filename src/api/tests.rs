//! The room over real HTTP, with a scripted engine behind the channel.

mod calls;
mod extensions;
mod harness;
mod pages;
mod reach;
mod sessions;
mod sip;
mod stream;
mod visitors;
