//! `status`, `calls`, `registrations`, `links`, `resolve`, `reload`: the running daemon is asked over its control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Failure, table};
use crate::config::Config;
use crate::engine::call::{DeviceView, Resolution, WayView};
use crate::shell::control::{
    CallView, ControlReply, ControlRequest, LONGEST_REPLY, LegView, LinkView, StatusView,
};
use crate::time::WallTime;

/// The daemon answers in this time or is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(8);

/// `branchline status`
pub(super) fn status(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Status(status) = ask(socket, &ControlRequest::Status)? else {
        return Err(unexpected());
    };
    if json {
        return table::print_json(out, &status);
    }
    print_status(&status, out)
}

/// `branchline calls`
pub(super) fn calls(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Calls(calls) = ask(socket, &ControlRequest::Calls)? else { return Err(unexpected()) };
    if json {
        return table::print_json(out, &calls);
    }
    let rows: Vec<_> = calls.iter().flat_map(call_rows).collect();
    let head = ["CALLER", "CALLEE", "STATE", "TIME", "LEG", "BY", "CODEC", "SINCE", "MOS", "LOSS"];
    table::print_table(out, head, &rows)
}

/// `branchline registrations`
pub(super) fn registrations(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Registrations(all) = ask(socket, &ControlRequest::Registrations)? else {
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

/// `branchline links`
pub(super) fn links(socket: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Links(all) = ask(socket, &ControlRequest::Links)? else { return Err(unexpected()) };
    if json {
        return table::print_json(out, &all);
    }
    let now = table::now();
    let row = |one: LinkView| {
        let since = table::span(now.since(WallTime(one.since_ms)));
        let (office, failure) = (one.office.unwrap_or_default(), one.failure.unwrap_or_default());
        [one.id, one.kind, office, one.state, since, one.calls.to_string(), failure, one.address]
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    let head = ["LINK", "KIND", "OFFICE", "STATE", "SINCE", "CALLS", "LAST FAILURE", "ADDRESS"];
    table::print_table(out, head, &rows)
}

/// `branchline resolve`
pub(super) fn resolve(socket: &Path, number: &str, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let request = ControlRequest::Resolve(number.to_owned());
    let ControlReply::Resolution(found) = ask(socket, &request)? else { return Err(unexpected()) };
    if json {
        return table::print_json(out, &found);
    }
    table::print_facts(out, &resolution_facts(&found, table::now()))?;
    let head = ["", "BY", "TO", "WHY", "RINGS FOR"];
    table::print_table(out, head, &resolution_rows(&found))
}

/// `branchline reload`
pub(super) fn reload(socket: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let ControlReply::Done(what) = ask(socket, &ControlRequest::Reload)? else { return Err(unexpected()) };
    writeln!(out, "{what}")?;
    Ok(())
}

/// Tells a running daemon that accounts have changed; says so where it could not be told.
pub(super) fn tell_accounts_changed(config: &Config) {
    let socket = config.paths.control_socket();
    if !socket.exists() {
        return;
    }
    if let Err(failure) = ask(&socket, &ControlRequest::ReloadAccounts) {
        let _ = writeln!(std::io::stderr(), "branchline: stored, but the daemon was not told: {failure}");
    }
}

fn ask(path: &Path, request: &ControlRequest) -> Result<ControlReply, Failure> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::Unavailable(format!("the daemon does not run: nobody answers at {}", path.display()))
        }
        ErrorKind::PermissionDenied => {
            Failure::NotAllowed(format!("{}: only root and the daemon's user may ask", path.display()))
        }
        _ => Failure::Unavailable(format!("{}: {error}", path.display())),
    })?;
    // Refused because of what was given, not because of how the daemon is.
    let is_input = matches!(request, ControlRequest::Reload | ControlRequest::Resolve(_));
    match exchange(&stream, request) {
        Ok(ControlReply::Refused(why)) if is_input => Err(Failure::BadInput(why)),
        Ok(ControlReply::Refused(why)) => Err(Failure::Unavailable(why)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(Failure::Unavailable(format!("the daemon did not answer: {error}"))),
    }
}

fn exchange(mut stream: &UnixStream, request: &ControlRequest) -> std::io::Result<ControlReply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
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
        ["uplink".to_owned(), status.uplink.clone()],
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

/// A row for each leg; what is said of the call stands in the first.
fn call_rows(call: &CallView) -> Vec<[String; 10]> {
    let now = table::now();
    let since = |ms| table::span(now.since(WallTime(ms)));
    let of_call = [call.caller.clone(), call.callee.clone(), call.state.clone(), since(call.started_ms)];
    let all = std::iter::once(of_call).chain(std::iter::repeat_with(Default::default));
    let row = |([caller, callee, state, time], leg): ([String; 4], &LegView)| {
        let unknown = || "-".to_owned();
        let codec = leg.codec.clone().unwrap_or_else(unknown);
        let mos = leg.mos.map_or_else(unknown, |mos| format!("{mos:.1}"));
        let loss = leg.loss_percent.map_or_else(unknown, |loss| format!("{loss:.1}%"));
        let (number, by) = (leg.number.clone(), leg.by.clone());
        [caller, callee, state, time, number, by, codec, since(leg.since_ms), mos, loss]
    };
    all.zip(&call.legs).map(row).collect()
}

fn resolution_facts(found: &Resolution, now: WallTime) -> Vec<[String; 2]> {
    let fact = |name: &str, words: String| [name.to_owned(), words];
    let mut facts = vec![fact("number", found.number.clone())];
    if let Some(user) = &found.user {
        facts.push(fact("extension", format!("{} of {}", user.extension, user.home)));
        let since = user.since.map(|since| format!(" since {}", table::span(now.since(WallTime(since)))));
        let age = user.age.filter(|age| *age > 0);
        let age = age.map(|age| format!(", known {} ago", table::span(Duration::from_secs(age))));
        let words = [since, age].into_iter().flatten().collect::<String>();
        facts.push(fact("place", format!("{}, {}{words}", user.place, user.office)));
        facts.extend(user.availability.map(|says| fact("presence", says.presence.as_str().to_owned())));
    }
    facts.push(fact("outcome", format!("{}: {}", found.outcome, found.text)));
    facts
}

/// A row for each device or link, in the order in which they are tried; then what is left out.
fn resolution_rows(found: &Resolution) -> Vec<[String; 5]> {
    let device = |one: &DeviceView| format!("{} {} {}", one.id, one.kind, one.name);
    let way = |one: &WayView| format!("{} {} ({}) as {}", one.kind, one.id, one.state, one.number);
    let mut rows = Vec::new();
    for (place, attempt) in (1..).zip(&found.attempts) {
        let devices = attempt.devices.iter().map(device);
        let mut targets: Vec<String> = devices.chain(attempt.link.as_ref().map(way)).collect();
        if targets.is_empty() {
            targets.push(String::new());
        }
        for target in targets {
            let time = table::span(Duration::from_secs(attempt.rings_for));
            rows.push([place.to_string(), attempt.by.clone(), target, attempt.why.clone(), time]);
        }
    }
    rows.extend(found.left_out.iter().map(|one| {
        let by = if one.link.is_some() { "link" } else { "devices" };
        let target = one.device.as_ref().map(device).or_else(|| one.link.clone()).unwrap_or_default();
        ["-".to_owned(), by.to_owned(), target, one.why.clone(), String::new()]
    }));
    rows
}

fn unexpected() -> Failure {
    Failure::Unavailable("the daemon gave an answer to another question; are both of one version?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_leg_by_leg() {
        let leg = |number: &str, by: &str, mos| LegView {
            number: number.to_owned(),
            by: by.to_owned(),
            since_ms: table::now().0,
            codec: Some("PCMU".to_owned()),
            mos,
            loss_percent: mos.map(|_| 0.5),
        };
        let call = CallView {
            caller: "1001".to_owned(),
            callee: "600".to_owned(),
            state: "up".to_owned(),
            started_ms: table::now().0,
            legs: vec![leg("1001", "web", Some(4.2)), leg("600", "asterisk", None)],
            ..CallView::default()
        };
        let rows = call_rows(&call);
        assert_eq!(rows[0], ["1001", "600", "up", "0s", "1001", "web", "PCMU", "0s", "4.2", "0.5%"]);
        assert_eq!(rows[1], ["", "", "", "", "600", "asterisk", "PCMU", "0s", "-", "-"]);
    }
}
