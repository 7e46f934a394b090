//! The shape of every refusal over REST, of a box as of a controller: a problem document (RFC 9457).

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request is refused: an enum of whoever refuses.
pub trait Why: Clone + Send + Sync + 'static {
    /// The stable word in documents, metrics and logs.
    fn as_str(&self) -> &'static str;
    /// The HTTP status.
    fn status(&self) -> StatusCode;
    /// A sentence for a person.
    fn title(&self) -> &'static str;
}

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemOf<R> {
    /// Why.
    pub reason: R,
    /// What exactly, for a developer. Never a secret, never an echo of credentials.
    pub detail: Option<String>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl<R> ProblemOf<R> {
    /// With more words.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With a time to wait.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl<R> From<R> for ProblemOf<R> {
    fn from(reason: R) -> Self {
        Self { reason, detail: None, retry_after: None }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<R: Why> IntoResponse for ProblemOf<R> {
    /// The reason is also among the response's extensions, for those who count.
    fn into_response(self) -> Response {
        let status = self.reason.status();
        let document = Document {
            r#type: format!("urn:branchline:problem:{}", self.reason.as_str()),
            title: self.reason.title(),
            status: status.as_u16(),
            reason: self.reason.as_str(),
            detail: self.detail.as_deref(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response.extensions_mut().insert(self.reason);
        response
    }
}
