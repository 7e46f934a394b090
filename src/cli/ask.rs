//! `status`, `calls`, `registrations`, `reload`: the running daemon is asked over its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Failure, table};
use crate::config::Config;
use crate::shell::control::{CallView, ControlReply, ControlRequest, LONGEST_REPLY, LegView, StatusView};
use crate::time::WallTime;

/// The daemon answers in this time or is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(8);

/// `branchline status`
pub(super) fn status(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Status(status) = ask(socket, ControlRequest::Status)? else { return Err(unexpected()) };
    if json {
        return table::print_json(out, &status);
    }
    print_status(&status, out)
}

/// `branchline calls`
pub(super) fn calls(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Calls(calls) = ask(socket, ControlRequest::Calls)? else { return Err(unexpected()) };
    if json {
        return table::print_json(out, &calls);
    }
    let rows: Vec<_> = calls.iter().map(call_row).collect();
    table::print_table(out, ["CALLER", "CALLEE", "STATE", "TIME", "LEGS", "CODECS", "MOS", "LOSS"], &rows)
}

/// `branchline registrations`
pub(super) fn registrations(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Registrations(all) = ask(socket, ControlRequest::Registrations)? else {
        return Err(unexpected());
    };
    if json {
        return table::print_json(out, &all);
    }
    let now = table::now();
    let rows: Vec<_> = all
        .into_iter()
        .map(|one| {
            let left = table::span(WallTime(one.expires_ms).since(now));
            let device = one.user_agent.unwrap_or_default();
            [
                one.extension,
                one.transport,
                one.remote,
                left,
                table::span(now.since(WallTime(one.since_ms))),
                device,
            ]
        })
        .collect();
    table::print_table(out, ["EXTENSION", "TRANSPORT", "FROM", "EXPIRES IN", "SINCE", "DEVICE"], &rows)
}

/// `branchline reload`
pub(super) fn reload(socket: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Done(what) = ask(socket, ControlRequest::Reload)? else { return Err(unexpected()) };
    writeln!(out, "{what}")?;
    Ok(())
}

/// Tells a running daemon that accounts have changed; says so where it could not be told.
pub(super) fn tell_accounts_changed(config: &Config) {
    let socket = config.paths.control_socket();
    if !socket.exists() {
        return;
    }
    if let Err(failure) = ask(&socket, ControlRequest::ReloadAccounts) {
        let _ = writeln!(std::io::stderr(), "branchline: stored, but the daemon was not told: {failure}");
    }
}

fn ask(path: &Path, request: ControlRequest) -> Result<ControlReply, Failure> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::Unavailable(format!("the daemon does not run: nobody answers at {}", path.display()))
        }
        ErrorKind::PermissionDenied => {
            Failure::NotAllowed(format!("{}: only root and the daemon's user may ask", path.display()))
        }
        _ => Failure::Unavailable(format!("{}: {error}", path.display())),
    })?;
    match exchange(&stream, request) {
        Ok(ControlReply::Refused(why)) if request == ControlRequest::Reload => Err(Failure::BadInput(why)),
        Ok(ControlReply::Refused(why)) => Err(Failure::Unavailable(why)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(Failure::Unavailable(format!("the daemon did not answer: {error}"))),
    }
}

fn exchange(mut stream: &UnixStream, request: ControlRequest) -> std::io::Result<ControlReply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream.take(LONGEST_REPLY)).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}

fn print_status(status: &StatusView, out: &mut dyn Write) -> Result<(), Failure> {
    let uptime = table::span(Duration::from_secs(status.uptime_seconds));
    let mut rows = vec![
        ["office".to_owned(), status.office.clone()],
        ["version".to_owned(), status.version.clone()],
        ["state".to_owned(), format!("{}, up {uptime}, pid {}", status.state, status.pid)],
        ["asterisk".to_owned(), status.asterisk.clone()],
        ["extensions".to_owned(), status.extensions.to_string()],
        ["registered".to_owned(), status.registrations.to_string()],
        ["calls".to_owned(), status.calls.to_string()],
    ];
    rows.extend(status.listeners.iter().map(|listener| ["listens".to_owned(), listener.clone()]));
    rows.extend(status.certificates.iter().map(|one| {
        ["certificate".to_owned(), format!("{} ends {}", one.listener, table::date(WallTime(one.expires_ms)))]
    }));
    let raised: Vec<_> = status.conditions.iter().filter(|condition| condition.raised).collect();
    if raised.is_empty() {
        rows.push(["health".to_owned(), "ok".to_owned()]);
    }
    rows.extend(raised.iter().map(|condition| {
        let since = table::date(WallTime(condition.since_ms));
        ["wrong".to_owned(), format!("{} since {since}: {}", condition.name, condition.last_error)]
    }));
    table::print_facts(out, &rows)
}

fn call_row(call: &CallView) -> [String; 8] {
    let each = |show: fn(&LegView) -> String| call.legs.iter().map(show).collect::<Vec<_>>().join(" / ");
    let time = table::span(table::now().since(WallTime(call.started_ms)));
    [
        call.caller.clone(),
        call.callee.clone(),
        call.state.clone(),
        time,
        each(|leg| leg.transport.clone()),
        each(|leg| leg.codec.clone().unwrap_or_else(|| "-".to_owned())),
        each(|leg| leg.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.1}"))),
        each(|leg| leg.loss_percent.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.1}%"))),
    ]
}

fn unexpected() -> Failure {
    Failure::Unavailable("the daemon gave an answer to another question; are both of one version?".to_owned())
}
