//! Sockets handed over by systemd: bound by it (`.socket` units), or left in its store by us before a restart.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Socket, Type};

/// Descriptors are taken over once in a process's life.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Why a socket that was handed over is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// systemd's variables do not make sense.
    #[error("systemd's LISTEN_FDS cannot be used: {0}")]
    Unusable(String),
    /// The unit gives a datagram socket where a stream is wanted, or the other way round.
    #[error("the socket \"{name}\" from systemd is {found}, expected {expected}: see the .socket unit")]
    WrongKind {
        /// Its name.
        name: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// What systemd handed over and nobody has taken yet.
#[derive(Debug, Default)]
pub struct Activated {
    sockets: Vec<(String, OwnedFd)>,
}

impl Activated {
    /// Takes over what systemd handed to this process. Only the first call finds anything.
    pub fn of_process() -> Result<Self, ActivationError> {
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Ok(Self::default());
        }
        let listed = systemd::daemon::listen_fds_with_names()
            .map_err(|error| ActivationError::Unusable(error.to_string()))?;
        let sockets = listed
            .iter()
            .map(|(number, name)| {
                #[expect(unsafe_code, reason = "a descriptor number becomes an owner in this one place")]
                // SAFETY: sd_listen_fds says that the descriptor is open and meant for this process, and
                // TAKEN sees to it that nobody else makes an owner of it.
                let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
                (name.to_string_lossy().into_owned(), descriptor)
            })
            .collect();
        Ok(Self { sockets })
    }

    /// The UDP socket called `name`, if there is one.
    pub fn take_udp(&mut self, name: &str) -> Result<Option<UdpSocket>, ActivationError> {
        Ok(self.take(name, Type::DGRAM)?.map(UdpSocket::from))
    }

    /// The listening TCP socket called `name`, if there is one.
    pub fn take_tcp(&mut self, name: &str) -> Result<Option<TcpListener>, ActivationError> {
        Ok(self.take(name, Type::STREAM)?.map(TcpListener::from))
    }

    /// The names that nobody has taken: a misspelt `FileDescriptorName=`, most likely.
    pub fn left_over(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|(name, _)| name.as_str())
    }

    /// Takes it, non-blocking.
    fn take(&mut self, name: &str, expected: Type) -> Result<Option<Socket>, ActivationError> {
        let Some(index) = self.sockets.iter().position(|(own, _)| own == name) else { return Ok(None) };
        let (_, descriptor) = self.sockets.swap_remove(index);
        let socket = Socket::from(descriptor);
        let unusable = |error: std::io::Error| ActivationError::Unusable(error.to_string());
        let found = socket.r#type().map_err(unusable)?;
        if found != expected {
            let (name, found, expected) = (name.to_owned(), kind(found), kind(expected));
            return Err(ActivationError::WrongKind { name, found, expected });
        }
        socket.set_nonblocking(true).map_err(unusable)?;
        Ok(Some(socket))
    }
}

fn kind(of: Type) -> &'static str {
    match of {
        Type::DGRAM => "a datagram socket",
        Type::STREAM => "a stream socket",
        _ => "of another kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_taken_by_name_and_kind() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let sockets = vec![
            ("sip-udp".to_owned(), OwnedFd::from(udp)),
            ("sip-tls".to_owned(), OwnedFd::from(tcp)),
            ("spare".to_owned(), OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap())),
        ];
        let mut activated = Activated { sockets };
        assert!(activated.take_udp("sip-tcp").unwrap().is_none());
        assert_eq!(activated.take_tcp("sip-tls").unwrap().unwrap().local_addr().unwrap().port(), port);
        assert!(activated.take_tcp("sip-tls").unwrap().is_none(), "only once");
        let error = activated.take_tcp("sip-udp").unwrap_err().to_string();
        assert!(error.contains("is a datagram socket, expected a stream socket"), "{error}");
        assert_eq!(activated.left_over().collect::<Vec<_>>(), ["spare"]);
    }

    #[test]
    fn outside_systemd_nothing_is_handed_over() {
        let activated = Activated::of_process().unwrap();
        assert_eq!(activated.left_over().count(), 0);
    }
}
