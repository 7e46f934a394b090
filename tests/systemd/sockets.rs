//! Sockets that systemd holds, by name.

use peers::Outcome;

use crate::installed::{Installed, SOON, UNIT};

#[test]
fn a_connection_starts_the_service_and_the_socket_survives_it() -> Outcome {
    let site = Installed::boot("sockets")?;
    site.systemctl(&["start", "branchline-sip-tls.socket", "branchline-https.socket"])?;
    assert_eq!(site.property("ActiveState")?, "inactive");

    // The first phone to connect waits for the start, and gets its handshake.
    let said = site.handshake(5061, &[])?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("Protocol version: TLSv1.3"), "{said}");
    site.property_until("ActiveState", |state| state == "active")?;
    // Port 443 without any privilege of the daemon.
    let said = site.handshake(443, &[])?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("Protocol version: TLSv1.3"), "{said}");
    assert_eq!(site.process_status("CapEff")?, "0000000000000000");

    // Stopped: who connects meanwhile is not refused, and is served by the next.
    site.systemctl(&["stop", UNIT])?;
    assert!(site.handshake(5061, &[])?.status.success());
    site.machine.run_until(&["systemctl", "is-active", UNIT], SOON, |state| state.trim() == "active")?;
    let messages = site.messages()?;
    assert!(!messages.contains("nobody has taken"), "{messages}");
    site.machine.stop()
}
