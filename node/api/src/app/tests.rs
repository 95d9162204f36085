//! The router as a whole: guards, headers, errors, the page.

use bytes::Bytes;
use http::{Method, Request};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::testing::{Answer, NODE, RUNTIME, services};
use crate::{Config, router};

/// What is sent exactly as it stands.
fn send(method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    RUNTIME.block_on(NODE.send(request.body(Bytes::new()).unwrap()))
}

#[test]
fn foreign_hosts_and_foreign_pages_get_a_problem_from_every_path() {
    for path in [
        "/",
        "/rpc",
        "/v1/node",
        "/v1/certificates",
        "/metrics",
        "/openapi.json",
        "/nothing",
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE] {
            let host = send(method.clone(), path, &[("host", "rebound.example")]);
            assert_eq!(
                host.json()["type"],
                "urn:phytomer:problem:host",
                "{method} {path}"
            );
            let page = send(
                method.clone(),
                path,
                &[("host", "localhost"), ("origin", "http://evil.example")],
            );
            assert_eq!(
                page.json()["type"],
                "urn:phytomer:problem:origin",
                "{method} {path}"
            );
            assert_eq!(page.status, 403);
            assert!(!page.headers.contains_key("access-control-allow-origin"));
        }
    }
}

#[test]
fn an_allowed_origin_may_ask_and_read() {
    let config = Config {
        allowed_origins: vec!["https://shop.example".into()],
        ..Config::default()
    };
    let allowing = router(&config, services(), CancellationToken::new()).unwrap();
    let ask = |method, origin| {
        let request = Request::builder()
            .method(method)
            .uri("/v1/node")
            .header("host", "localhost")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type, authorization",
            );
        RUNTIME
            .block_on(
                allowing
                    .clone()
                    .oneshot(request.body(axum::body::Body::empty()).unwrap()),
            )
            .unwrap()
    };
    for method in [Method::OPTIONS, Method::GET] {
        let response = ask(method, "https://shop.example");
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "https://shop.example"
        );
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-credentials")
        );
    }
    assert_eq!(ask(Method::OPTIONS, "https://other.example").status(), 403);
}

#[test]
fn every_response_has_the_headers_that_keep_browsers_safe() {
    let foreign = send(Method::GET, "/", &[("host", "rebound.example")]);
    for answer in [
        NODE.get("/"),
        NODE.get("/v1/node"),
        NODE.get("/v1/nothing"),
        NODE.rpc("{"),
        foreign,
    ] {
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("x-request-id").len() >= 32);
    }
    assert!(
        NODE.get("/v1/node").headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("sandbox")
    );
}

#[test]
fn the_page_is_served_under_its_paths_and_its_files_for_good() {
    for path in ["/", "/c/1", "/issue", "/blocks/9", "/tx/0xabc", "/verify"] {
        let page = NODE.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(
            page.headers["content-security-policy"],
            phytomer_web::CONTENT_SECURITY_POLICY
        );
    }
    let page = String::from_utf8(NODE.get("/").body.to_vec()).unwrap();
    let script = page
        .split('"')
        .find(|value| value.ends_with(".js"))
        .unwrap();
    let script = NODE.get(script);
    assert_eq!(
        script.headers["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert!(
        script.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    for missing in [
        "/assets/none.js",
        "/favicon.ico",
        "/../Cargo.toml",
        "/v1/none",
        "/rpc/none",
        "/metrics/none",
    ] {
        assert_eq!(NODE.get(missing).status, 404, "{missing}");
        assert_eq!(
            NODE.get(missing).headers["content-type"],
            "application/problem+json"
        );
    }
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_with_those_it_has() {
    for (path, method, allowed) in [
        ("/v1/node", Method::DELETE, "GET,HEAD"),
        ("/v1/certificates", Method::PUT, "GET,HEAD,POST"),
        ("/v1/certificates/1/split", Method::GET, "POST"),
        ("/metrics", Method::POST, "GET,HEAD"),
        ("/rpc", Method::PATCH, "GET,HEAD,POST"),
    ] {
        let answer = send(method, path, &[("host", "localhost")]);
        assert_eq!(
            answer.json()["type"],
            "urn:phytomer:problem:method",
            "{path}"
        );
        assert_eq!(answer.headers["allow"], allowed, "{path}");
    }
}

#[test]
fn large_answers_are_compressed_where_the_client_takes_it() {
    let headers = [("host", "localhost"), ("accept-encoding", "gzip")];
    let packed = send(Method::GET, "/openapi.json", &headers);
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.body.len() * 3 < NODE.get("/openapi.json").body.len());
}

#[test]
fn health_names_the_part_that_is_not_ready() {
    assert_eq!(NODE.get("/livez").body, "live");
    assert_eq!(NODE.get("/readyz").json()["ready"], true);

    let mut ill = services();
    ill.probes.push(crate::Probe::new("disk", || {
        Err("the disk is full; free some space".into())
    }));
    let ill = router(&Config::default(), ill, CancellationToken::new()).unwrap();
    let request = Request::get("/readyz")
        .header("host", "localhost")
        .body(axum::body::Body::empty());
    let response = RUNTIME.block_on(ill.oneshot(request.unwrap())).unwrap();
    assert_eq!(response.status(), 503);
    let body = RUNTIME
        .block_on(axum::body::to_bytes(response.into_body(), 4096))
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["subsystems"][1]["name"], "disk");
    assert_eq!(
        json["subsystems"][1]["reason"],
        "the disk is full; free some space"
    );
}

#[test]
fn a_panic_costs_one_answer() {
    let metrics =
        std::sync::Arc::new(crate::metrics::Metrics::register(&Default::default()).unwrap());
    let broken = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async || -> &'static str { panic!("no leaf") }),
        )
        .layer(CatchPanicLayer::custom(super::panicked(metrics.clone())));
    for panics in 1..3 {
        let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
        let response = RUNTIME.block_on(broken.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(metrics.panics.get(), panics);
    }
}

#[test]
fn metrics_count_by_route_and_not_by_path() {
    for id in 1_000..1_010 {
        NODE.get(&format!("/v1/certificates/{id}"));
    }
    let metrics = String::from_utf8(NODE.get("/metrics").body.to_vec()).unwrap();
    let line = metrics
        .lines()
        .find(|line| line.contains("/v1/certificates/{id}\"") && line.contains("404"))
        .unwrap();
    assert!(
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() >= 10,
        "{line}"
    );
    assert!(!metrics.contains("1005"));
    assert!(metrics.contains("process_cpu_seconds_total"));
    assert!(
        metrics
            .lines()
            .any(|line| line == "phytomer_api_panics_total 0"),
        "a handler panicked"
    );
}
