//! Where somebody is, as a document: PIDF-LO (RFC 4119, RFC 5491) with a point, a civic address, or both.

use std::fmt::Write as _;

/// The media type's subtype; its type is `application`.
pub const SUBTYPE: &str = "pidf+xml";

/// A location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// Whose presence it is: a host or a name without spaces.
    pub entity: &'a str,
    /// A `geo:` URI (RFC 5870).
    pub geo: Option<&'a str>,
    /// A civic address in one line.
    pub civic: Option<&'a str>,
}

impl Location<'_> {
    /// The document; nothing when neither a point nor an address is known.
    ///
    /// An address in one line has no parts that a machine could tell from each other: it is what RFC 5139 calls additional
    /// location information (`LOC`).
    pub fn document(&self) -> Option<String> {
        let point = self.geo.and_then(point);
        if point.is_none() && self.civic.is_none() {
            return None;
        }
        let mut text = String::with_capacity(900);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
        text.push_str("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"");
        text.push_str(" xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\"");
        text.push_str(" xmlns:ca=\"urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr\"");
        text.push_str(" xmlns:gml=\"http://www.opengis.net/gml\" entity=\"pres:");
        escape(&mut text, self.entity);
        text.push_str("\">\r\n");
        if let Some((system, position)) = point {
            let inner = format!(
                "<gml:Point srsName=\"urn:ogc:def:crs:EPSG::{system}\"><gml:pos>{position}</gml:pos></gml:Point>"
            );
            tuple(&mut text, "point", &inner);
        }
        if let Some(civic) = self.civic {
            let mut inner = String::from("<ca:civicAddress><ca:LOC>");
            escape(&mut inner, civic);
            inner.push_str("</ca:LOC></ca:civicAddress>");
            tuple(&mut text, "address", &inner);
        }
        text.push_str("</presence>\r\n");
        Some(text)
    }
}

/// Whether a `geo:` URI has coordinates that a document can carry.
pub fn is_point(geo: &str) -> bool {
    point(geo).is_some()
}

/// One way to say it: each has a tuple of its own, as RFC 5491 §3.4 wants.
fn tuple(text: &mut String, id: &str, location: &str) {
    let written = write!(
        text,
        "<tuple id=\"{id}\"><status><gp:geopriv><gp:location-info>{location}</gp:location-info>\
         <gp:usage-rules/><gp:method>Manual</gp:method></gp:geopriv></status></tuple>\r\n"
    );
    debug_assert!(written.is_ok(), "a string takes what it is given");
}

/// The coordinate system and the coordinates of a `geo:` URI: WGS 84 in two dimensions, or in three.
fn point(geo: &str) -> Option<(&'static str, String)> {
    let body = geo.strip_prefix("geo:")?;
    let coordinates: Vec<&str> = body.split(';').next()?.split(',').collect();
    let all_numbers = coordinates.iter().all(|one| one.parse::<f64>().is_ok_and(f64::is_finite));
    let system = match coordinates.len() {
        2 if all_numbers => "4326",
        3 if all_numbers => "4979",
        _ => return None,
    };
    Some((system, coordinates.join(" ")))
}

fn escape(text: &mut String, raw: &str) {
    for character in raw.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            // XML 1.0 has no way to write most of them.
            control if control.is_control() => text.push(' '),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn a_point_and_an_address_have_a_tuple_each() {
        let location = Location {
            entity: "bru.example",
            geo: Some("geo:50.8466,4.3528"),
            civic: Some("Rue \"A&B\" 1 <hall>\u{7}"),
        };
        let text = location.document().unwrap();
        assert!(text.contains("EPSG::4326\"><gml:pos>50.8466 4.3528</gml:pos>"), "{text}");
        assert!(text.contains("<ca:LOC>Rue &quot;A&amp;B&quot; 1 &lt;hall&gt; </ca:LOC>"), "{text}");
        assert_eq!(text.matches("<tuple id=").count(), 2);
        assert!(text.contains("entity=\"pres:bru.example\""));
    }

    #[test]
    fn height_is_another_system_and_parameters_do_not_matter() {
        let at = |geo| Location { entity: "x", geo: Some(geo), civic: None }.document();
        assert!(at("geo:1.5,-2,30;u=5").unwrap().contains("EPSG::4979\"><gml:pos>1.5 -2 30<"));
        for bad in ["geo:1", "geo:a,b", "1,2", "geo:1,2,3,4", "geo:inf,1"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_known_is_no_document() {
        assert_eq!(Location { entity: "x", geo: None, civic: None }.document(), None);
    }
}
