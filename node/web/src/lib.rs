//! The web page of a node: a TypeScript bundle, embedded.
//!
//! The sources are in `app/`, and `npm run build` writes the bundle to `dist/`,
//! which is committed, so that a Rust build needs no Node.js; `npm run
//! check-dist` tells whether the two agree. This crate knows no HTTP: it gives
//! out bytes and what to say about them, and `node/api` serves them.
//!
//! The page is a single-page application. Its paths (`/`, `/c/{id}`, `/issue`,
//! `/verify`, `/blocks`, `/blocks/{n}`, `/tx/{hash}`) all answer with
//! [`index`]; everything that [`asset`] knows answers with itself. It asks only
//! the node that served it, and needs no more than [`CONTENT_SECURITY_POLICY`].
//!
//! ```
//! let page = phytomer_web::index();
//! assert_eq!(page.mime, "text/html");
//! assert!(phytomer_web::asset("/no/such/file").is_none());
//! ```

use include_dir::{Dir, include_dir};

/// The folder of the bundle whose file names carry a hash of their content.
const HASHED_FOLDER: &str = "assets/";

/// The strictest policy that the page works under: nothing from elsewhere, no
/// inline scripts or styles; `blob:` shows a photo before it is sent.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

static DIST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/dist");

/// A file of the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its content.
    pub bytes: &'static [u8],
    /// Its media type. Text is UTF-8.
    pub mime: &'static str,
    /// Whether the content under this path never changes, so that it may be
    /// cached for good. False for the page itself.
    pub immutable: bool,
}

/// The page itself, for `/` and every other path of the application.
///
/// # Panics
/// Never: a test makes sure that the bundle has a page.
#[must_use]
pub fn index() -> Asset {
    asset("index.html").expect("the bundle has a page, as the tests make sure")
}

/// The file of the bundle at `path`, with or without a leading slash.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let file = DIST.get_file(path)?;
    Some(Asset {
        bytes: file.contents(),
        mime: mime_guess::from_path(path)
            .first_raw()
            .unwrap_or("application/octet-stream"),
        immutable: path.starts_with(HASHED_FOLDER),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of the bundle.
    fn files(dir: &'static Dir<'static>) -> Vec<&'static str> {
        let here = dir.files().filter_map(|file| file.path().to_str());
        here.chain(dir.dirs().flat_map(files)).collect()
    }

    /// The paths that the page asks for when it is loaded.
    fn asked_for(page: &str) -> Vec<&str> {
        let attributes = page.split(['"', '\'']);
        attributes.filter(|value| value.starts_with('/')).collect()
    }

    #[test]
    fn the_page_asks_only_for_files_of_the_bundle() {
        let page = std::str::from_utf8(index().bytes).expect("the page is text");
        let paths = asked_for(page);
        assert!(
            paths.len() >= 3,
            "script, style and icon, but found {paths:?}"
        );
        for path in paths {
            let found = asset(path);
            assert!(
                found.is_some_and(|file| file.immutable),
                "{path} is not a hashed file of the bundle"
            );
        }
    }

    #[test]
    fn the_page_has_nothing_inline_and_nothing_from_elsewhere() {
        let page = std::str::from_utf8(index().bytes).expect("the page is text");
        for forbidden in ["<style", " style=", " onload=", "http://", "https://"] {
            assert!(!page.contains(forbidden), "the page contains {forbidden}");
        }
        for script in page.split("<script").skip(1) {
            assert!(
                script.contains(" src=\"/assets/"),
                "an inline script: {script}"
            );
        }
    }

    #[test]
    fn media_types_are_what_a_browser_insists_on() {
        let kinds = [
            (".js", "text/javascript"),
            (".css", "text/css"),
            (".svg", "image/svg+xml"),
            (".html", "text/html"),
        ];
        for (ending, mime) in kinds {
            let path = files(&DIST)
                .into_iter()
                .find(|path| path.ends_with(ending))
                .expect("the bundle has one");
            assert_eq!(asset(path).map(|file| file.mime), Some(mime), "{path}");
        }
    }

    #[test]
    fn only_files_are_found() {
        for path in [
            "",
            "/",
            "assets",
            "assets/",
            "../Cargo.toml",
            "/../Cargo.toml",
            "//index.html",
            "\0",
        ] {
            assert_eq!(asset(path).map(|file| file.mime), None, "{path:?}");
        }
        assert_eq!(asset("/index.html"), asset("index.html"));
    }
}
