//! Signatures: the vector of the RFC, OpenSSL's keys, and everything that must be refused.

use proptest::prelude::*;
use serde_json::json;
use zeroize::Zeroizing;

use super::base64url;
use super::signature::*;

fn key(name: &str, byte: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), Zeroizing::new([byte; 32])).unwrap()
}

fn trusting(keys: &[&SigningKey]) -> TrustedKeys {
    let mut trusted = TrustedKeys::new();
    for key in keys {
        trusted.trust(key.id().clone(), key.public()).unwrap();
    }
    trusted
}

/// A JWS with a header of the forger's choice, signed in earnest by `key`.
fn with_header(key: &SigningKey, header: &serde_json::Value, payload: &[u8]) -> String {
    let header = base64url::encode(header.to_string().as_bytes());
    let pkcs8 = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes()).unwrap();
    let pair = ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.secret_pkcs8_der()).unwrap();
    let input = format!("{header}.{}", base64url::encode(payload));
    format!("{header}..{}", base64url::encode(pair.sign(input.as_bytes()).as_ref()))
}

use rustls::pki_types::pem::PemObject;

#[test]
fn any_trusted_key_signs_and_the_box_says_which() {
    let (old, new) = (key("ops-2025", 1), key("ops-2026", 2));
    let trusted = trusting(&[&old, &new]);
    for key in [&old, &new] {
        assert_eq!(trusted.verify(&key.sign(b"{}"), b"{}"), Ok(key.id()));
    }
    assert_eq!(trusted.names().count(), 2);
}

#[test]
fn the_vector_of_rfc_8037() {
    // Appendix A.4, whose header has no kid: the signature itself is compared.
    let seed = base64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let key = SigningKey::from_seed("a".parse().unwrap(), Zeroizing::new(seed.try_into().unwrap())).unwrap();
    let jws = with_header(&key, &json!({ "alg": "EdDSA" }), b"Example of Ed25519 signing");
    assert_eq!(
        jws,
        "eyJhbGciOiJFZERTQSJ9..hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    assert!(key.public().to_pem().contains("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="));
}

#[test]
fn keys_are_read_as_openssl_writes_them() {
    let private = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\n\
                  MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                  -----END PUBLIC KEY-----\n";
    let key = SigningKey::from_pem("rfc8410".parse().unwrap(), private.as_bytes()).unwrap();
    assert_eq!(key.to_pem().as_str(), private, "RFC 8410 §10.3");
    assert_eq!(key.public().to_pem(), public, "RFC 8410 §10.1");
    assert_eq!(VerifyingKey::from_pem(public.as_bytes()), Ok(key.public()));
    assert!(!format!("{key:?}").contains("1O5y"));
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", public] {
        assert!(SigningKey::from_pem("a".parse().unwrap(), bad.as_bytes()).is_err());
    }
    assert_eq!(VerifyingKey::from_pem(private.as_bytes()), Err(KeyError::BadPublicKey));
}

#[test]
fn every_refusal_has_its_name() {
    let (ours, strangers) = (key("ops", 1), key("stranger", 2));
    let named_as_ours = key("ops", 2);
    let trusted = trusting(&[&ours]);
    let good = ours.sign(b"payload");
    let (header, signed) = good.split_once("..").unwrap();
    let of_header = |header: serde_json::Value| with_header(&ours, &header, b"payload");
    for (signature, flaw) in [
        (String::new(), SignatureFlaw::Malformed),
        ("a".repeat(2000), SignatureFlaw::Malformed),
        (format!("{header}.cGF5bG9hZA.{signed}"), SignatureFlaw::Malformed),
        (format!("{header}..{}", &signed[..40]), SignatureFlaw::Malformed),
        (format!("{header}..{signed}="), SignatureFlaw::Malformed),
        (format!("e..{signed}"), SignatureFlaw::Malformed),
        (format!("e30x..{signed}"), SignatureFlaw::Malformed),
        (of_header(json!([])), SignatureFlaw::Malformed),
        (of_header(json!({ "alg": "EdDSA" })), SignatureFlaw::Unsupported),
        (of_header(json!({ "alg": "none", "kid": "ops" })), SignatureFlaw::Unsupported),
        (of_header(json!({ "alg": "HS256", "kid": "ops" })), SignatureFlaw::Unsupported),
        (of_header(json!({ "alg": "EdDSA", "kid": "ops", "crit": ["x"] })), SignatureFlaw::Unsupported),
        (of_header(json!({ "alg": "EdDSA", "kid": "ops", "b64": false })), SignatureFlaw::Unsupported),
        (of_header(json!({ "alg": "EdDSA", "kid": "../ops" })), SignatureFlaw::UnknownKey),
        (strangers.sign(b"payload"), SignatureFlaw::UnknownKey),
        (named_as_ours.sign(b"payload"), SignatureFlaw::Forged),
        (ours.sign(b"other"), SignatureFlaw::Forged),
    ] {
        assert_eq!(trusted.verify(&signature, b"payload"), Err(flaw), "{signature}");
        assert!(!flaw.as_str().is_empty());
    }
    assert_eq!(TrustedKeys::new().verify(&good, b"payload"), Err(SignatureFlaw::UnknownKey));
}

#[test]
fn trusted_keys_are_bounded_and_a_name_has_one_key() {
    let mut trusted = TrustedKeys::new();
    for byte in 0..16 {
        let key = key(&format!("k{byte}"), byte);
        trusted.trust(key.id().clone(), key.public()).unwrap();
    }
    let other = key("k3", 99);
    assert_eq!(trusted.trust(other.id().clone(), other.public()), Err(KeyError::Twice));
    let next = key("k16", 16);
    assert_eq!(trusted.trust(next.id().clone(), next.public()), Err(KeyError::TooMany));
    for bad in ["", "a/b", "a b", &"a".repeat(65)] {
        assert_eq!(bad.parse::<KeyId>(), Err(KeyError::BadName));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_is_noticed(payload in prop::collection::vec(any::<u8>(), 1..80), place: usize, bit in 0_u8..8) {
        let key = key("ops", 7);
        let trusted = trusting(&[&key]);
        let signature = key.sign(&payload);
        prop_assert_eq!(trusted.verify(&signature, &payload), Ok(key.id()));
        let mut changed = payload.clone();
        let place = place % changed.len();
        changed[place] ^= 1 << bit;
        prop_assert_eq!(trusted.verify(&signature, &changed), Err(SignatureFlaw::Forged));
    }

    #[test]
    fn no_text_makes_it_panic(signature in "\\PC{0,60}") {
        let _ = trusting(&[&key("ops", 1)]).verify(&signature, b"");
    }
}
