//! Country calling codes (ITU-T E.164, list of assigned codes).

use std::fmt;
use std::str::FromStr;

use super::reason::NumberError;

/// One assigned country calling code, 1 to 3 digits. No code is the beginning of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode(u16);

/// A code with the name of the country, group of countries, or global service that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// The code.
    pub code: CountryCode,
    /// The English name.
    pub name: &'static str,
}

/// All assigned codes, in rising order.
pub fn list_country_codes() -> impl ExactSizeIterator<Item = Country> {
    ASSIGNED.iter().map(|(code, name)| Country { code: CountryCode(*code), name })
}

impl CountryCode {
    /// The code of that number, if it is assigned.
    pub fn new(number: u16) -> Option<Self> {
        ASSIGNED.binary_search_by_key(&number, |(code, _)| *code).is_ok().then_some(Self(number))
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The country's name.
    pub fn name(self) -> &'static str {
        let place = ASSIGNED.binary_search_by_key(&self.0, |(code, _)| *code);
        place.ok().and_then(|place| ASSIGNED.get(place)).map_or("", |(_, name)| name)
    }

    /// Digits in the code.
    pub const fn digits(self) -> usize {
        match self.0 {
            0..10 => 1,
            10..100 => 2,
            _ => 3,
        }
    }

    /// The code that `digits` begin with, and what follows it.
    pub fn split(digits: &str) -> Option<(Self, &str)> {
        (1..=3).find_map(|length| {
            let (code, rest) = digits.split_at_checked(length)?;
            Some((code.parse().ok()?, rest))
        })
    }
}

impl FromStr for CountryCode {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let unknown = || NumberError::UnknownCountryCode(text.chars().take(16).collect());
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = text.parse().ok().filter(|_| plain).ok_or_else(unknown)?;
        Self::new(number).ok_or_else(unknown)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sorted by code.
const ASSIGNED: [(u16, &str); 215] = [
    (1, "North American Numbering Plan"),
    (7, "Russia and Kazakhstan"),
    (20, "Egypt"),
    (27, "South Africa"),
    (30, "Greece"),
    (31, "Netherlands"),
    (32, "Belgium"),
    (33, "France"),
    (34, "Spain"),
    (36, "Hungary"),
    (39, "Italy and Vatican City"),
    (40, "Romania"),
    (41, "Switzerland"),
    (43, "Austria"),
    (44, "United Kingdom"),
    (45, "Denmark"),
    (46, "Sweden"),
    (47, "Norway"),
    (48, "Poland"),
    (49, "Germany"),
    (51, "Peru"),
    (52, "Mexico"),
    (53, "Cuba"),
    (54, "Argentina"),
    (55, "Brazil"),
    (56, "Chile"),
    (57, "Colombia"),
    (58, "Venezuela"),
    (60, "Malaysia"),
    (61, "Australia"),
    (62, "Indonesia"),
    (63, "Philippines"),
    (64, "New Zealand"),
    (65, "Singapore"),
    (66, "Thailand"),
    (81, "Japan"),
    (82, "South Korea"),
    (84, "Viet Nam"),
    (86, "China"),
    (90, "Türkiye"),
    (91, "India"),
    (92, "Pakistan"),
    (93, "Afghanistan"),
    (94, "Sri Lanka"),
    (95, "Myanmar"),
    (98, "Iran"),
    (211, "South Sudan"),
    (212, "Morocco"),
    (213, "Algeria"),
    (216, "Tunisia"),
    (218, "Libya"),
    (220, "Gambia"),
    (221, "Senegal"),
    (222, "Mauritania"),
    (223, "Mali"),
    (224, "Guinea"),
    (225, "Côte d'Ivoire"),
    (226, "Burkina Faso"),
    (227, "Niger"),
    (228, "Togo"),
    (229, "Benin"),
    (230, "Mauritius"),
    (231, "Liberia"),
    (232, "Sierra Leone"),
    (233, "Ghana"),
    (234, "Nigeria"),
    (235, "Chad"),
    (236, "Central African Republic"),
    (237, "Cameroon"),
    (238, "Cabo Verde"),
    (239, "São Tomé and Príncipe"),
    (240, "Equatorial Guinea"),
    (241, "Gabon"),
    (242, "Congo"),
    (243, "Democratic Republic of the Congo"),
    (244, "Angola"),
    (245, "Guinea-Bissau"),
    (246, "Diego Garcia"),
    (247, "Ascension"),
    (248, "Seychelles"),
    (249, "Sudan"),
    (250, "Rwanda"),
    (251, "Ethiopia"),
    (252, "Somalia"),
    (253, "Djibouti"),
    (254, "Kenya"),
    (255, "Tanzania"),
    (256, "Uganda"),
    (257, "Burundi"),
    (258, "Mozambique"),
    (260, "Zambia"),
    (261, "Madagascar"),
    (262, "Réunion and Mayotte"),
    (263, "Zimbabwe"),
    (264, "Namibia"),
    (265, "Malawi"),
    (266, "Lesotho"),
    (267, "Botswana"),
    (268, "Eswatini"),
    (269, "Comoros"),
    (290, "Saint Helena and Tristan da Cunha"),
    (291, "Eritrea"),
    (297, "Aruba"),
    (298, "Faroe Islands"),
    (299, "Greenland"),
    (350, "Gibraltar"),
    (351, "Portugal"),
    (352, "Luxembourg"),
    (353, "Ireland"),
    (354, "Iceland"),
    (355, "Albania"),
    (356, "Malta"),
    (357, "Cyprus"),
    (358, "Finland"),
    (359, "Bulgaria"),
    (370, "Lithuania"),
    (371, "Latvia"),
    (372, "Estonia"),
    (373, "Moldova"),
    (374, "Armenia"),
    (375, "Belarus"),
    (376, "Andorra"),
    (377, "Monaco"),
    (378, "San Marino"),
    (379, "Vatican City"),
    (380, "Ukraine"),
    (381, "Serbia"),
    (382, "Montenegro"),
    (383, "Kosovo"),
    (385, "Croatia"),
    (386, "Slovenia"),
    (387, "Bosnia and Herzegovina"),
    (389, "North Macedonia"),
    (420, "Czechia"),
    (421, "Slovakia"),
    (423, "Liechtenstein"),
    (500, "Falkland Islands"),
    (501, "Belize"),
    (502, "Guatemala"),
    (503, "El Salvador"),
    (504, "Honduras"),
    (505, "Nicaragua"),
    (506, "Costa Rica"),
    (507, "Panama"),
    (508, "Saint Pierre and Miquelon"),
    (509, "Haiti"),
    (590, "Guadeloupe"),
    (591, "Bolivia"),
    (592, "Guyana"),
    (593, "Ecuador"),
    (594, "French Guiana"),
    (595, "Paraguay"),
    (596, "Martinique"),
    (597, "Suriname"),
    (598, "Uruguay"),
    (599, "Curaçao and Caribbean Netherlands"),
    (670, "Timor-Leste"),
    (672, "Australian External Territories"),
    (673, "Brunei"),
    (674, "Nauru"),
    (675, "Papua New Guinea"),
    (676, "Tonga"),
    (677, "Solomon Islands"),
    (678, "Vanuatu"),
    (679, "Fiji"),
    (680, "Palau"),
    (681, "Wallis and Futuna"),
    (682, "Cook Islands"),
    (683, "Niue"),
    (685, "Samoa"),
    (686, "Kiribati"),
    (687, "New Caledonia"),
    (688, "Tuvalu"),
    (689, "French Polynesia"),
    (690, "Tokelau"),
    (691, "Micronesia"),
    (692, "Marshall Islands"),
    (800, "International Freephone"),
    (808, "International Shared Cost"),
    (850, "North Korea"),
    (852, "Hong Kong"),
    (853, "Macao"),
    (855, "Cambodia"),
    (856, "Laos"),
    (870, "Inmarsat"),
    (878, "Universal Personal Telecommunication"),
    (880, "Bangladesh"),
    (881, "Global Mobile Satellite System"),
    (882, "International Networks"),
    (883, "International Networks"),
    (886, "Taiwan"),
    (960, "Maldives"),
    (961, "Lebanon"),
    (962, "Jordan"),
    (963, "Syria"),
    (964, "Iraq"),
    (965, "Kuwait"),
    (966, "Saudi Arabia"),
    (967, "Yemen"),
    (968, "Oman"),
    (970, "Palestine"),
    (971, "United Arab Emirates"),
    (972, "Israel"),
    (973, "Bahrain"),
    (974, "Qatar"),
    (975, "Bhutan"),
    (976, "Mongolia"),
    (977, "Nepal"),
    (979, "International Premium Rate"),
    (992, "Tajikistan"),
    (993, "Turkmenistan"),
    (994, "Azerbaijan"),
    (995, "Georgia"),
    (996, "Kyrgyzstan"),
    (998, "Uzbekistan"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_code_begins_another() {
        assert!(ASSIGNED.is_sorted_by(|(one, _), (next, _)| one < next));
        for (one, _) in ASSIGNED {
            for (other, _) in ASSIGNED {
                let begins = other.to_string().starts_with(&one.to_string());
                assert!(one == other || !begins, "{one} {other}");
            }
        }
    }

    #[test]
    fn read_named_and_listed() {
        let belgium: CountryCode = "32".parse().unwrap();
        assert_eq!((belgium.name(), belgium.digits(), belgium.to_string()), ("Belgium", 2, "32".to_owned()));
        assert_eq!(list_country_codes().next().unwrap().code.number(), 1);
        assert_eq!(list_country_codes().len(), ASSIGNED.len());
        for text in ["", "0", "032", "+32", "3", "999", "99999", "x"] {
            assert!(text.parse::<CountryCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn found_at_the_beginning_of_digits() {
        let found = |digits| CountryCode::split(digits).map(|(code, rest)| (code.number(), rest));
        assert_eq!(found("3225551234"), Some((32, "25551234")));
        assert_eq!(found("35225551234"), Some((352, "25551234")));
        assert_eq!(found("1"), Some((1, "")));
        assert_eq!(found("2101"), None);
        assert_eq!(found(""), None);
        assert_eq!(found("\u{e9}\u{e9}"), None);
    }
}
