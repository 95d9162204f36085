//! Which host names and which pages a request may come with.
//!
//! Two attacks reach a server on loopback through the victim's own browser. *DNS rebinding* points
//! a hostile name at 127.0.0.1, so the page counts as same-origin: stopped by the list of host
//! names. *Cross-site requests* send what the browser sends without asking, such as a simple POST:
//! stopped by the `Origin` header, which browsers put on everything but plain reads, and by
//! `Sec-Fetch-Site` (Fetch Metadata, W3C) for those.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Uri};

use crate::problem::{Kind, Problem};
use crate::{Config, Error};

/// What [`Policy::admit`] decides on.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    hosts: HashSet<String>,
    origins: HashSet<String>,
}

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No host, or one that is not allowed.
    Host(String),
    /// A page of this origin.
    Origin(String),
    /// A page that does not say where it comes from.
    CrossSite,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut hosts = HashSet::from(["localhost".to_owned()]);
        for host in &config.allowed_hosts {
            let invalid = || Error::AllowedHost { host: host.clone() };
            let authority: Authority = host.parse().map_err(|_| invalid())?;
            if authority.port().is_some() || authority.host() != host {
                return Err(invalid());
            }
            hosts.insert(host.to_ascii_lowercase());
        }
        let mut origins = HashSet::new();
        for origin in &config.allowed_origins {
            let invalid = || Error::AllowedOrigin {
                origin: origin.clone(),
            };
            let (scheme, authority) = origin.split_once("://").ok_or_else(invalid)?;
            let authority: Authority = authority.parse().map_err(|_| invalid())?;
            if scheme.is_empty() || authority.as_str().contains('@') {
                return Err(invalid());
            }
            origins.insert(origin.to_ascii_lowercase());
        }
        if let Some(url) = &config.public_url {
            let uri: Option<Uri> = url.parse().ok();
            let authority = uri
                .as_ref()
                .filter(|uri| uri.scheme().is_some())
                .and_then(Uri::authority);
            let authority = authority.ok_or_else(|| Error::PublicUrl { url: url.clone() })?;
            hosts.insert(authority.host().to_ascii_lowercase());
        }
        Ok(Self { hosts, origins })
    }

    /// The origins of other pages that may use the API, for CORS.
    pub(crate) fn origins(&self) -> impl Iterator<Item = HeaderValue> + '_ {
        self.origins
            .iter()
            .filter_map(|origin| HeaderValue::from_str(origin).ok())
    }

    /// Decides whether to answer a request with this head.
    pub(crate) fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let host = self.host(uri, headers)?;
        match headers.get(ORIGIN) {
            Some(origin) => self.origin(origin, &host),
            None => plain_request(method, headers),
        }
    }

    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refusal> {
        let mut given = headers.get_all(HOST).iter();
        let text = match (uri.authority(), given.next(), given.next()) {
            (Some(authority), None, None) => authority.as_str(),
            (_, Some(host), None) => host.to_str().unwrap_or_default(),
            _ => "",
        };
        let refused = || Refusal::Host(text.chars().take(64).collect());
        let authority: Authority = text.parse().map_err(|_| refused())?;
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        if address.parse::<IpAddr>().is_ok() || self.hosts.contains(&name) {
            Ok(authority)
        } else {
            Err(refused())
        }
    }

    fn origin(&self, origin: &HeaderValue, host: &Authority) -> Result<(), Refusal> {
        let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let same = text
            .split_once("://")
            .and_then(|(_, authority)| authority.parse::<Authority>().ok())
            .is_some_and(|authority| authority == *host);
        if same || self.origins.contains(&text) {
            Ok(())
        } else {
            Err(Refusal::Origin(text.chars().take(64).collect()))
        }
    }
}

/// A request without `Origin`: from a program, or a read that a browser makes on its own. Of the
/// latter, other sites get no more than links that are followed in the open.
fn plain_request(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let fetch = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match fetch("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_)
            if method == Method::GET
                && fetch("sec-fetch-mode") == Some("navigate")
                && fetch("sec-fetch-dest") == Some("document") =>
        {
            Ok(())
        }
        Some(_) => Err(Refusal::CrossSite),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Host(host) => Self::new(Kind::HOST, format!("the Host header says `{host}`")),
            Refusal::Origin(origin) => {
                Self::new(Kind::ORIGIN, format!("the Origin header says `{origin}`"))
            }
            Refusal::CrossSite => Self::new(Kind::ORIGIN, "a page of another site asks"),
        }
    }
}

/// Answers only what the policy admits.
pub(crate) async fn guard(
    State(policy): State<Arc<Policy>>,
    request: Request,
    next: Next,
) -> Response {
    match policy.admit(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(?refusal, "request refused");
            Problem::from(refusal).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy::new(&Config {
            public_url: Some("https://node.example/".into()),
            allowed_hosts: vec!["plants.example".into()],
            allowed_origins: vec!["https://shop.example".into()],
            ..Config::default()
        })
        .unwrap()
    }

    fn admit(method: Method, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        policy().admit(&method, &Uri::from_static("/"), &headers)
    }

    #[test]
    fn the_host_must_be_ours() {
        for host in [
            "localhost:8545",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1:8545",
            "[::1]:8545",
            "10.0.0.7",
            "plants.example",
            "node.example",
        ] {
            assert_eq!(admit(Method::POST, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example:8545",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "a b",
            "localhost@evil.example",
        ] {
            assert!(
                matches!(admit(Method::GET, &[("host", host)]), Err(Refusal::Host(_))),
                "{host}"
            );
        }
        assert_eq!(admit(Method::GET, &[]), Err(Refusal::Host(String::new())));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, value.parse().unwrap());
        }
        assert!(
            policy()
                .admit(&Method::GET, &Uri::from_static("/"), &headers)
                .is_err()
        );
    }

    #[test]
    fn pages_of_other_origins_get_nothing() {
        let host = ("host", "localhost:8545");
        for origin in ["http://localhost:8545", "https://shop.example"] {
            assert_eq!(
                admit(Method::POST, &[host, ("origin", origin)]),
                Ok(()),
                "{origin}"
            );
        }
        for origin in [
            "http://localhost:3000",
            "http://evil.example",
            "null",
            "https://shop.example.evil",
            "localhost:8545",
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let refused = admit(method, &[host, ("origin", origin)]);
                assert!(matches!(refused, Err(Refusal::Origin(_))), "{origin}");
            }
        }
    }

    #[test]
    fn other_sites_may_link_but_not_embed() {
        let site = |site, mode, dest| {
            admit(
                Method::GET,
                &[
                    ("host", "localhost"),
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", mode),
                    ("sec-fetch-dest", dest),
                ],
            )
        };
        assert_eq!(site("cross-site", "navigate", "document"), Ok(()));
        assert_eq!(site("same-origin", "cors", "empty"), Ok(()));
        assert_eq!(site("none", "navigate", "document"), Ok(()));
        assert_eq!(
            site("cross-site", "no-cors", "image"),
            Err(Refusal::CrossSite)
        );
        assert_eq!(
            site("same-site", "no-cors", "script"),
            Err(Refusal::CrossSite)
        );
        assert_eq!(
            site("cross-site", "navigate", "iframe"),
            Err(Refusal::CrossSite)
        );
    }

    #[test]
    fn wrong_settings_are_named() {
        let with = |hosts: &[&str], origins: &[&str]| {
            Policy::new(&Config {
                allowed_hosts: hosts.iter().map(ToString::to_string).collect(),
                allowed_origins: origins.iter().map(ToString::to_string).collect(),
                ..Config::default()
            })
        };
        for host in ["https://a.example", "a.example:80", "a b", ""] {
            assert!(
                matches!(with(&[host], &[]), Err(Error::AllowedHost { .. })),
                "{host}"
            );
        }
        for origin in [
            "shop.example",
            "https://shop.example/path",
            "*",
            "null",
            "://a",
        ] {
            assert!(
                matches!(with(&[], &[origin]), Err(Error::AllowedOrigin { .. })),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_public_url_needs_a_scheme_and_a_host() {
        let with = |url: &str| {
            Policy::new(&Config {
                public_url: Some(url.into()),
                ..Config::default()
            })
        };
        for url in [
            "https://node.example",
            "http://10.0.0.7:8545",
            "https://node.example/phytomer",
        ] {
            assert!(with(url).is_ok(), "{url}");
        }
        for url in ["node.example", "/path", "", "https://", "a b"] {
            assert!(matches!(with(url), Err(Error::PublicUrl { .. })), "{url}");
        }
    }
}
