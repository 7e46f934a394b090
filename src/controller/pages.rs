//! The page, in the binary.

use std::sync::LazyLock;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;

use super::rest::Desk;
use crate::api::{Asset, CSS, HTML, SCRIPT, serve, tag};

macro_rules! asset {
    ($path:literal, $file:literal, $kind:expr) => {
        Asset { path: $path, kind: $kind, body: include_bytes!(concat!("pages/", $file)) }
    };
}

static ASSETS: [Asset; 5] = [
    asset!("/", "index.html", HTML),
    asset!("/federation/federation.css", "federation.css", CSS),
    asset!("/federation/main.js", "main.js", SCRIPT),
    asset!("/federation/view.js", "view.js", SCRIPT),
    asset!("/federation/icon.svg", "../../api/pages/phone/icon.svg", "image/svg+xml"),
];

static TAGS: LazyLock<[String; ASSETS.len()]> =
    LazyLock::new(|| std::array::from_fn(|index| ASSETS.get(index).map(tag).unwrap_or_default()));

/// The paths of the page.
pub(super) fn router() -> Router<Desk> {
    ASSETS.iter().zip(TAGS.iter()).fold(Router::new(), |router, (asset, tag)| {
        router.route(asset.path, get(async move |headers: HeaderMap| serve(asset, tag, &headers)))
    })
}
