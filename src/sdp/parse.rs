//! Text to description (RFC 8866 §9), under the bounds of [`super::limits`].

use super::attribute::Attribute;
use super::connection::Connection;
use super::limits;
use super::media_description::{MediaDescription, MediaKind, TransportProtocol};
use super::origin::Origin;
use super::reason::{ParseError, ParseReason};
use super::session_description::{Line, SessionDescription};

pub(super) fn session_description(text: &[u8]) -> Result<SessionDescription, ParseError> {
    let whole = |reason| ParseError { line: 0, reason };
    if text.len() > limits::MAX_BYTES {
        return Err(whole(ParseReason::TooLarge));
    }
    let text = str::from_utf8(text).map_err(|_| whole(ParseReason::NotUtf8))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(whole(ParseReason::Empty));
    }
    let mut reader = Reader::default();
    for (place, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        reader.line(place, line).map_err(|reason| ParseError { line: place + 1, reason })?;
    }
    reader.finish().map_err(whole)
}

/// How much room in the writer's order a letter takes (RFC 8866 §5); `t`, `r` and `z` stay as they stood.
pub(super) const fn rank(letter: char) -> u8 {
    match letter {
        'i' => 0,
        'u' => 1,
        'e' => 2,
        'p' => 3,
        'c' => 4,
        'b' => 5,
        't' | 'r' | 'z' => 6,
        _ => 7,
    }
}

/// What has been read so far; lines before the first `m=` belong to the session.
#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    session_name: Option<String>,
    connection: Option<Connection>,
    lines: Vec<Line>,
    attributes: Vec<Attribute>,
    media: Vec<MediaDescription>,
    counts: Counts,
}

/// What has been counted on the present level.
#[derive(Default)]
struct Counts {
    candidates: usize,
    crypto: usize,
}

impl Reader {
    fn line(&mut self, place: usize, line: &str) -> Result<(), ParseReason> {
        if place >= limits::MAX_LINES {
            return Err(ParseReason::TooManyLines);
        }
        if line.len() > limits::MAX_LINE_BYTES {
            return Err(ParseReason::LineTooLong);
        }
        if line.contains(['\0', '\r']) {
            return Err(ParseReason::ControlCharacter);
        }
        let (letter, value) = line.split_once('=').ok_or(ParseReason::NotALine)?;
        let mut letters = letter.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return Err(ParseReason::NotALine);
        };
        match (place, letter) {
            (0, 'v') if value.trim_ascii() == "0" => Ok(()),
            (0, _) => Err(ParseReason::BadVersion),
            (_, 'm') => self.media(value),
            (_, 'a') => self.attribute(value),
            _ if self.media.is_empty() => self.session_line(letter, value),
            _ => self.media_line(letter, value),
        }
    }

    fn media(&mut self, value: &str) -> Result<(), ParseReason> {
        if self.media.len() >= limits::MAX_MEDIA {
            return Err(ParseReason::TooManyMedia);
        }
        self.media.push(parse_media(value)?);
        self.counts = Counts::default();
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), ParseReason> {
        let attribute = Attribute::parse(value).ok_or(ParseReason::BadAttribute)?;
        match attribute.name.as_str() {
            "candidate" => count(&mut self.counts.candidates, limits::MAX_CANDIDATES)
                .ok_or(ParseReason::TooManyCandidates)?,
            "crypto" => {
                count(&mut self.counts.crypto, limits::MAX_CRYPTO).ok_or(ParseReason::TooManyCrypto)?;
            }
            _ => {}
        }
        let attributes = match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.attributes,
        };
        if attributes.len() >= limits::MAX_ATTRIBUTES {
            return Err(ParseReason::TooManyAttributes);
        }
        attributes.push(attribute);
        Ok(())
    }

    fn session_line(&mut self, letter: char, value: &str) -> Result<(), ParseReason> {
        match letter {
            'v' => Err(ParseReason::RepeatedLine),
            'o' => once(&mut self.origin, Origin::parse(value).ok_or(ParseReason::BadOrigin)?),
            's' => once(&mut self.session_name, value.to_owned()),
            'c' => once(&mut self.connection, Connection::parse(value).ok_or(ParseReason::BadConnection)?),
            'i' | 'u' | 'e' | 'p' | 'b' | 't' | 'r' | 'z' | 'k' => {
                self.lines.push(Line { letter, value: value.to_owned() });
                Ok(())
            }
            _ => Err(ParseReason::UnknownLine),
        }
    }

    fn media_line(&mut self, letter: char, value: &str) -> Result<(), ParseReason> {
        let Some(media) = self.media.last_mut() else { return Err(ParseReason::MisplacedLine) };
        match letter {
            'c' if media.connection.is_none() => {
                let connection = Connection::parse(value).ok_or(ParseReason::BadConnection)?;
                media.connection = Some(connection);
            }
            'i' | 'b' | 'k' | 'c' => media.lines.push(Line { letter, value: value.to_owned() }),
            'v' | 'o' | 's' | 'u' | 'e' | 'p' | 't' | 'r' | 'z' => return Err(ParseReason::MisplacedLine),
            _ => return Err(ParseReason::UnknownLine),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<SessionDescription, ParseReason> {
        if !self.lines.iter().any(|line| line.letter == 't') {
            self.lines.push(Line { letter: 't', value: "0 0".to_owned() });
        }
        self.lines.sort_by_key(|line| rank(line.letter));
        for media in &mut self.media {
            media.lines.sort_by_key(|line| rank(line.letter));
        }
        Ok(SessionDescription {
            origin: self.origin.ok_or(ParseReason::MissingOrigin)?,
            session_name: self.session_name.unwrap_or_else(|| "-".to_owned()),
            connection: self.connection,
            lines: self.lines,
            attributes: self.attributes,
            media: self.media,
        })
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParseReason> {
    if slot.is_some() {
        return Err(ParseReason::RepeatedLine);
    }
    *slot = Some(value);
    Ok(())
}

fn count(counter: &mut usize, most: usize) -> Option<()> {
    *counter += 1;
    (*counter <= most).then_some(())
}

fn parse_media(value: &str) -> Result<MediaDescription, ParseReason> {
    let mut fields = value.split_ascii_whitespace();
    let kind = fields.next().ok_or(ParseReason::BadMedia)?;
    let port = fields.next().ok_or(ParseReason::BadMedia)?;
    let protocol = fields.next().ok_or(ParseReason::BadMedia)?;
    let (port, port_count) = match port.split_once('/') {
        Some((port, ports)) => (port, Some(ports.parse().map_err(|_| ParseReason::BadPort)?)),
        None => (port, None),
    };
    let port = port.parse().map_err(|_| ParseReason::BadPort)?;
    let mut media = MediaDescription::new(MediaKind::parse(kind), port, TransportProtocol::parse(protocol));
    media.port_count = port_count;
    for format in fields {
        if media.formats.len() >= limits::MAX_FORMATS {
            return Err(ParseReason::TooManyFormats);
        }
        media.formats.push(format.to_owned());
    }
    if media.formats.is_empty() { Err(ParseReason::BadMedia) } else { Ok(media) }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
