//! From an address to a connection whose schema is ours.

use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::address::Address;
use super::conversation::{Conversation, wait};
use crate::controller::store::StoreError;
use crate::controller::store::schema::{POSTGRES_WORDS, VERSION, steps};

/// The server must not answer before a transaction is on disk, whatever its configuration says; and it ends by itself what
/// takes too long.
const SETTINGS: &str = "\
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
    SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
    SET idle_in_transaction_session_timeout = '30s'";
/// One controller makes tables, the others wait. The number is ours alone in the database.
const LOCK: i64 = 0x6272_616e_6368;

/// Connects, and brings the schema up to date. Reads the password and the CA anew, so that renewed ones are taken.
pub(super) fn connect(address: &Address, runtime: &Handle) -> Result<Client, StoreError> {
    let (config, tls) = address.read().map_err(StoreError::Away)?;
    let opened = wait(runtime, async {
        let (client, connection) = config.connect(tls).await?;
        // Ends with the client, or with the server; the client then says that it is closed.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    });
    // A server that refuses us may be mended while we run: who asks meanwhile is to come again.
    let client = opened.map_err(|error| StoreError::Away(error.words()))?;
    wait(runtime, client.batch_execute(SETTINGS))?;
    migrate(&Conversation::new(&client, runtime))?;
    Ok(client)
}

fn migrate(server: &Conversation<'_>) -> Result<(), StoreError> {
    if version(server)? == VERSION {
        return Ok(());
    }
    server.begin()?;
    server.change("SELECT pg_advisory_xact_lock(?1)", &[LOCK.into()])?;
    // Another controller may have been quicker.
    let found = version(server)?;
    for step in steps(found, &POSTGRES_WORDS)? {
        server.run(&step)?;
    }
    let written = VERSION.to_string();
    server.change(
        "INSERT INTO meta (name, value) VALUES ('schema', ?1) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[(&written).into()],
    )?;
    server.commit()
}

/// Nought when there are no tables yet.
fn version(server: &Conversation<'_>) -> Result<i64, StoreError> {
    let is_there = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('meta')";
    let mut found = server.list(is_there, &[])?;
    if found.first_mut().map(|row| row.id(0)).transpose()? != Some(1) {
        return Ok(0);
    }
    let mut found = server.list("SELECT value FROM meta WHERE name = 'schema'", &[])?;
    found.first_mut().map_or(Ok(0), |row| row.parsed(0))
}
