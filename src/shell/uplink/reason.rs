//! Why there is no session, or no longer one: a name for each cause, and whose side it is on.

use std::error::Error;
use std::io;

use rumqttc::v5::mqttbytes::Error as WireError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError, TlsError};
use rustls::{AlertDescription, CertificateError};

/// Why an attempt or a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The broker's name has no address.
    NameNotFound,
    /// Nobody listens there.
    ConnectionRefused,
    /// No way there.
    Unreachable,
    /// The connection broke.
    ConnectionLost,
    /// Name, TCP, TLS and MQTT together took longer than `connect-time`.
    ConnectTimeout,
    /// Our certificate, key or CA cannot be used.
    OwnCertificate,
    /// The broker's certificate has ended or is not valid yet.
    BrokerCertificateDates,
    /// The broker's certificate is for another name.
    BrokerCertificateName,
    /// The broker's certificate is not signed by `[uplink] ca`, or is bad.
    BrokerCertificate,
    /// The broker does not accept our certificate.
    CertificateRefused,
    /// Any other failure of TLS.
    TlsFailed,
    /// The broker does not let this client in.
    NotAuthorized,
    /// The broker has no room for us now.
    BrokerBusy,
    /// The broker refuses us for another reason.
    BrokerRefused,
    /// A topic may not be subscribed to.
    SubscribeRefused,
    /// A document may not be published.
    PublishRefused,
    /// Another client came with our client id.
    SessionTakenOver,
    /// The broker stops.
    BrokerStopping,
    /// The broker ended the session for another reason that it named.
    BrokerEnded,
    /// The broker closed the connection without a word.
    BrokerClosed,
    /// The broker does not answer pings.
    KeepAlive,
    /// The broker answers, but does not take what we publish.
    NoAcknowledgement,
    /// Something came that MQTT does not allow there.
    Protocol,
    /// We stopped it.
    Stopped,
}

impl EndReason {
    /// The name in health, metrics and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameNotFound => "name-not-found",
            Self::ConnectionRefused => "connection-refused",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection-lost",
            Self::ConnectTimeout => "connect-timeout",
            Self::OwnCertificate => "own-certificate",
            Self::BrokerCertificateDates => "broker-certificate-dates",
            Self::BrokerCertificateName => "broker-certificate-name",
            Self::BrokerCertificate => "broker-certificate",
            Self::CertificateRefused => "certificate-refused",
            Self::TlsFailed => "tls-failed",
            Self::NotAuthorized => "not-authorized",
            Self::BrokerBusy => "broker-busy",
            Self::BrokerRefused => "broker-refused",
            Self::SubscribeRefused => "subscribe-refused",
            Self::PublishRefused => "publish-refused",
            Self::SessionTakenOver => "session-taken-over",
            Self::BrokerStopping => "broker-stopping",
            Self::BrokerEnded => "broker-ended",
            Self::BrokerClosed => "broker-closed",
            Self::KeepAlive => "keep-alive",
            Self::NoAcknowledgement => "no-acknowledgement",
            Self::Protocol => "protocol",
            Self::Stopped => "stopped",
        }
    }

    /// What to look at, for a person.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NameNotFound => "look at DNS and the broker's name",
            Self::ConnectionRefused => "the broker does not run there, or a firewall refuses",
            Self::Unreachable | Self::ConnectTimeout => "look at the network and the firewall",
            Self::ConnectionLost | Self::KeepAlive => "the network or the broker went away",
            Self::OwnCertificate => "look at [uplink] ca, certificate and key",
            Self::BrokerCertificateDates => "look at this box's clock, then at the broker's certificate",
            Self::BrokerCertificateName => "the broker's certificate must name it as [uplink] brokers does",
            Self::BrokerCertificate => "[uplink] ca must be the one that signed the broker's certificate",
            Self::CertificateRefused => "the broker must trust the CA that signed [uplink] certificate",
            Self::NotAuthorized | Self::SubscribeRefused | Self::PublishRefused => {
                "look at the broker's access rules"
            }
            Self::SessionTakenOver => "two boxes have the same client id",
            Self::BrokerBusy | Self::BrokerStopping => "nothing: it is tried again",
            Self::TlsFailed | Self::BrokerRefused | Self::BrokerEnded | Self::BrokerClosed => {
                "look at the broker's log"
            }
            Self::NoAcknowledgement | Self::Protocol => "the broker misbehaves",
            Self::Stopped => "nothing",
        }
    }
}

/// The reason behind an error of the MQTT library, which wraps each cause in its own way.
pub(super) fn classify(error: &ConnectionError) -> EndReason {
    match error {
        ConnectionError::Timeout(_) => EndReason::ConnectTimeout,
        ConnectionError::Tls(error) => of_tls(error),
        ConnectionError::Io(error) => of_io(error),
        ConnectionError::ConnectionRefused(code) => of_refusal(*code),
        ConnectionError::NotConnAck(_) => EndReason::Protocol,
        ConnectionError::MqttState(error) => of_state(error),
        ConnectionError::RequestsDone => EndReason::Stopped,
    }
}

fn of_state(error: &StateError) -> EndReason {
    match error {
        StateError::Io(error) | StateError::Deserialization(WireError::Io(error)) => of_io(error),
        StateError::AwaitPingResp => EndReason::KeepAlive,
        StateError::CollisionTimeout => EndReason::NoAcknowledgement,
        StateError::ConnectionAborted => EndReason::BrokerClosed,
        StateError::ConnFail { reason } => of_refusal(*reason),
        StateError::ServerDisconnect { reason_code, .. } => of_disconnect(*reason_code),
        _ => EndReason::Protocol,
    }
}

fn of_refusal(code: ConnectReturnCode) -> EndReason {
    use ConnectReturnCode as Code;
    match code {
        Code::BadUserNamePassword | Code::NotAuthorized | Code::Banned | Code::BadAuthenticationMethod => {
            EndReason::NotAuthorized
        }
        Code::ServiceUnavailable
        | Code::ServerUnavailable
        | Code::ServerBusy
        | Code::QuotaExceeded
        | Code::ConnectionRateExceeded => EndReason::BrokerBusy,
        _ => EndReason::BrokerRefused,
    }
}

const fn of_disconnect(code: DisconnectReasonCode) -> EndReason {
    match code {
        DisconnectReasonCode::SessionTakenOver => EndReason::SessionTakenOver,
        DisconnectReasonCode::ServerShuttingDown => EndReason::BrokerStopping,
        DisconnectReasonCode::ServerBusy => EndReason::BrokerBusy,
        DisconnectReasonCode::NotAuthorized => EndReason::NotAuthorized,
        DisconnectReasonCode::KeepAliveTimeout => EndReason::KeepAlive,
        DisconnectReasonCode::ProtocolError | DisconnectReasonCode::MalformedPacket => EndReason::Protocol,
        _ => EndReason::BrokerEnded,
    }
}

fn of_tls(error: &TlsError) -> EndReason {
    match error {
        TlsError::Io(error) => of_io(error),
        TlsError::TLS(error) => of_rustls(error),
        TlsError::DNSName(_) => EndReason::BrokerCertificateName,
        _ => EndReason::TlsFailed,
    }
}

fn of_io(error: &io::Error) -> EndReason {
    let inner = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_rustls(tls);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => EndReason::ConnectionRefused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            EndReason::Unreachable
        }
        io::ErrorKind::TimedOut => EndReason::ConnectTimeout,
        io::ErrorKind::UnexpectedEof => EndReason::BrokerClosed,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            EndReason::ConnectionLost
        }
        // The resolver's errors have no kind of their own.
        io::ErrorKind::InvalidInput => EndReason::NameNotFound,
        _ if error.raw_os_error().is_none() && error.to_string().contains("lookup") => {
            EndReason::NameNotFound
        }
        _ => EndReason::ConnectionLost,
    }
}

fn of_rustls(error: &rustls::Error) -> EndReason {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => EndReason::BrokerCertificateDates,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                EndReason::BrokerCertificateName
            }
            _ => EndReason::BrokerCertificate,
        },
        rustls::Error::NoCertificatesPresented => EndReason::BrokerCertificate,
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => EndReason::CertificateRefused,
        _ => EndReason::TlsFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_of_the_library_gives_up_its_cause() {
        let wrapped = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let alert = || rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let name = || rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        let busy = ConnectReturnCode::ServerBusy;
        let taken = StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        };
        for (error, reason) in [
            (ConnectionError::Tls(TlsError::Io(wrapped(name()))), EndReason::BrokerCertificateName),
            // TLS 1.3: the broker's alert comes after our handshake, with the first read.
            (
                StateError::Deserialization(WireError::Io(wrapped(alert()))).into(),
                EndReason::CertificateRefused,
            ),
            (ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()), EndReason::ConnectionRefused),
            (
                ConnectionError::Io(io::Error::other("failed to lookup address information: x")),
                EndReason::NameNotFound,
            ),
            (ConnectionError::ConnectionRefused(busy), EndReason::BrokerBusy),
            (taken.into(), EndReason::SessionTakenOver),
            (StateError::AwaitPingResp.into(), EndReason::KeepAlive),
            (StateError::ConnectionAborted.into(), EndReason::BrokerClosed),
        ] {
            assert_eq!(classify(&error), reason, "{error}");
        }
    }
}
