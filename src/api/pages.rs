//! The phone page, in the binary.
//!
//! Each file has a strong ETag of its content and is asked for again each time (`no-cache`), so that a page and its
//! scripts are always of one release; unchanged files cost a 304.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::state::Api;
use super::token::hex;

/// A file of a page.
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) body: &'static [u8],
}

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $file:literal, $kind:expr) => {
        Asset { path: $path, kind: $kind, body: include_bytes!(concat!("pages/phone/", $file)) }
    };
}

static ASSETS: [Asset; 17] = [
    asset!("/", "index.html", HTML),
    asset!("/phone/phone.css", "phone.css", CSS),
    asset!("/phone/call.js", "call.js", SCRIPT),
    asset!("/phone/devices.js", "devices.js", SCRIPT),
    asset!("/phone/main.js", "main.js", SCRIPT),
    asset!("/phone/media.js", "media.js", SCRIPT),
    asset!("/phone/phone.js", "phone.js", SCRIPT),
    asset!("/phone/quality.js", "quality.js", SCRIPT),
    asset!("/phone/recents.js", "recents.js", SCRIPT),
    asset!("/phone/ring.js", "ring.js", SCRIPT),
    asset!("/phone/session.js", "session.js", SCRIPT),
    asset!("/phone/settings.js", "settings.js", SCRIPT),
    asset!("/phone/signalling.js", "signalling.js", SCRIPT),
    asset!("/phone/trouble.js", "trouble.js", SCRIPT),
    asset!("/phone/view.js", "view.js", SCRIPT),
    asset!("/phone/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("/phone/phone.webmanifest", "phone.webmanifest", "application/manifest+json"),
];

static TAGS: LazyLock<[String; ASSETS.len()]> =
    LazyLock::new(|| std::array::from_fn(|index| ASSETS.get(index).map(tag).unwrap_or_default()));

/// The paths of the page.
pub(crate) fn router() -> Router<Api> {
    ASSETS.iter().zip(TAGS.iter()).fold(Router::new(), |router, (asset, tag)| {
        router.route(asset.path, get(async move |headers: HeaderMap| serve(asset, tag, &headers)))
    })
}

/// The ETag of a file.
pub(crate) fn tag(asset: &Asset) -> String {
    format!("\"{}\"", hex(Sha256::digest(asset.body).get(..12).unwrap_or_default()))
}

/// A file, or that the client has it already.
pub(crate) fn serve(asset: &'static Asset, tag: &'static str, headers: &HeaderMap) -> Response {
    let caching = [
        (header::ETAG, HeaderValue::from_static(tag)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| {
        known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    });
    if unchanged {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.kind)], asset.body).into_response()
}
