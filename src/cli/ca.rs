//! `branchline ca …`: a site's own CA.

use std::io::Write;

use serde::Serialize;

use super::arguments::{Ca, IssuePurpose};
use super::{Failure, table};
use crate::shell::pki::{CertificateReport, Issued, Purpose, SiteCa};
use crate::time::WallTime;

/// The name of this box's certificate; where the daemon looks for its own.
const SERVER: &str = "server";

#[derive(Serialize)]
struct Show {
    ca: CertificateReport,
    issued: Vec<CertificateReport>,
}

/// Carries out a command of the CA.
pub(super) fn ca(wish: &Ca, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let now = table::now();
    match wish {
        Ca::Init(wish) => {
            let ca = SiteCa::init(&wish.directory, &wish.name, now)?;
            say(json, out, &["trust this certificate on phones and browsers: ", &show(&ca.certificate())])?;
            if wish.servers.is_empty() {
                return print_paths(json, out, &ca, None);
            }
            let issued = ca.issue(SERVER, Purpose::Server, &wish.servers, now)?;
            print_paths(json, out, &ca, Some(&issued))
        }
        Ca::Issue(wish) => {
            let ca = SiteCa::open(&wish.directory)?;
            let purpose = match wish.purpose {
                IssuePurpose::Client => Purpose::Client,
                IssuePurpose::Server => Purpose::Server,
                IssuePurpose::Office => Purpose::Office,
            };
            let issued = ca.issue(&wish.name, purpose, &wish.hosts, now)?;
            print_paths(json, out, &ca, Some(&issued))
        }
        Ca::Revoke(wish) => {
            let ca = SiteCa::open(&wish.directory)?;
            ca.revoke(&wish.name, now)?;
            say(json, out, &[&wish.name, " is revoked; reload the daemon to refuse it"])?;
            print_paths(json, out, &ca, None)
        }
        Ca::Crl(wish) => {
            let ca = SiteCa::open(&wish.directory)?;
            ca.sign_crl(now)?;
            print_paths(json, out, &ca, None)
        }
        Ca::Show(wish) => {
            let ca = SiteCa::open(&wish.directory)?;
            print_all(json, out, Show { ca: ca.report()?, issued: ca.list()? })
        }
    }
}

fn print_paths(json: bool, out: &mut dyn Write, ca: &SiteCa, issued: Option<&Issued>) -> Result<(), Failure> {
    if json {
        let value = serde_json::json!({
            "ca": ca.certificate(),
            "crl": ca.crl(),
            "certificate": issued.map(|issued| &issued.certificate),
            "key": issued.map(|issued| &issued.key),
        });
        return table::print_json(out, &value);
    }
    writeln!(out, "ca           {}\ncrl          {}", show(&ca.certificate()), show(&ca.crl()))?;
    if let Some(issued) = issued {
        writeln!(out, "certificate  {}\nkey          {}", show(&issued.certificate), show(&issued.key))?;
    }
    Ok(())
}

fn print_all(json: bool, out: &mut dyn Write, all: Show) -> Result<(), Failure> {
    if json {
        return table::print_json(out, &all);
    }
    let rows: Vec<_> = std::iter::once(all.ca)
        .chain(all.issued)
        .map(|report| {
            let state = if report.revoked { "revoked" } else { "" };
            let ends = table::date(WallTime(report.expires_ms));
            [report.name, report.subject, report.hosts.join(" "), ends, state.to_owned()]
        })
        .collect();
    table::print_table(out, ["NAME", "SUBJECT", "HOSTS", "ENDS", ""], &rows)
}

/// A sentence, where people read.
fn say(json: bool, out: &mut dyn Write, words: &[&str]) -> Result<(), Failure> {
    if !json {
        writeln!(out, "{}", words.concat())?;
    }
    Ok(())
}

fn show(path: &std::path::Path) -> String {
    path.display().to_string()
}
