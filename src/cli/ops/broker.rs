//! The broker's address, and how we show it who we are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rumqttc::v5::MqttOptions;
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::arguments::BrokerArguments;
use crate::cli::Failure;
use crate::config::{Broker, read_key, read_public};
use crate::shell::hex::hex;
use crate::uplink::route_set::LONGEST_SET;

/// Topic and properties beside the payload.
const AROUND_A_SET: usize = 64 << 10;

fn address(url: &str) -> Result<Broker, Failure> {
    let expected = "expected mqtts://HOST[:PORT], or mqtt://HOST[:PORT] in a lab";
    Broker::from_url(url).ok_or_else(|| Failure::Usage(format!("--broker {url}: {expected}")))
}

/// The options of a session with each broker, with its address.
pub(super) fn options(wish: &BrokerArguments) -> Result<Vec<(String, MqttOptions)>, Failure> {
    wish.brokers.iter().map(|url| Ok((url.clone(), options_of(url, wish)?))).collect()
}

fn options_of(url: &str, wish: &BrokerArguments) -> Result<MqttOptions, Failure> {
    let address = address(url)?;
    let mut options = MqttOptions::new(client_id()?, address.host, address.port);
    let largest = u32::try_from(LONGEST_SET + AROUND_A_SET).unwrap_or(u32::MAX);
    options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(Some(largest));
    if address.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls(wish)?)));
    } else if wish.ca.is_some() || wish.cert.is_some() {
        return Err(Failure::Usage("--ca and --cert are for mqtts://".to_owned()));
    }
    Ok(options)
}

fn client_id() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    Ok(format!("branchline-ops-{}", hex(&bytes)))
}

fn tls(wish: &BrokerArguments) -> Result<Arc<ClientConfig>, Failure> {
    let ca = wish.ca.as_deref();
    let ca = ca.ok_or_else(|| Failure::Usage("mqtts:// needs --ca, the broker's CA".to_owned()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| unusable(ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(ca, &error))?
        .with_root_certificates(roots);
    let config = match (wish.cert.as_deref(), wish.key.as_deref()) {
        (Some(cert), Some(key)) => {
            let pem = read_key(key).map_err(|error| Failure::BadInput(error.to_string()))?;
            let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(key, &error))?;
            builder
                .with_client_auth_cert(certificates(cert)?, secret)
                .map_err(|error| unusable(cert, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read_public(file).map_err(|error| Failure::BadInput(error.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| unusable(file, &error))?;
    if found.is_empty() {
        return Err(Failure::BadInput(format!("{}: expected a certificate in PEM", file.display())));
    }
    Ok(found)
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::BadInput(format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_host_port_and_tls() {
        let of = |url| address(url).map(|it| (it.host, it.port, it.tls));
        assert_eq!(of("mqtts://broker.example").unwrap(), ("broker.example".to_owned(), 8883, true));
        assert_eq!(of("mqtt://127.0.0.1:2000/").unwrap(), ("127.0.0.1".to_owned(), 2000, false));
        for bad in [
            "",
            "broker",
            "http://x",
            "mqtt://",
            "mqtt://x:0",
            "mqtt://x:99999",
            "mqtts://user:pw@x",
            "mqtt://a b",
        ] {
            assert_eq!(of(bad).unwrap_err().exit_code(), 64, "{bad}");
        }
    }
}
