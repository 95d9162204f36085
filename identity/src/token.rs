//! The operator's token: what lets a caller write over REST.
//!
//! 32 random bytes as base64url without padding, in a file of mode 0600. It is
//! drawn when it is missing, so deleting the file is how a token is revoked.

use std::{fmt, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{Error, keys::Secret, secret_file};

/// Length of a token, in characters.
pub const TOKEN_CHARS: usize = 43;

/// A token in memory: never printed, wiped when dropped.
#[derive(Clone)]
pub struct OperatorToken(SecretString);

impl OperatorToken {
    /// Reads the token from `path`, drawing a new one if there is no file.
    ///
    /// # Errors
    /// [`Error::TooOpen`] when others can read it, [`Error::Damaged`] when it is
    /// not a token, and what the file system says.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        match Self::open(path) {
            Err(Error::KeyMissing { .. }) => Self::create(path),
            other => other,
        }
    }

    /// Reads the token from `path`.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and [`Error::KeyMissing`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let damaged = |reason: &str| Error::Damaged {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let bytes = secret_file::read(path)?;
        let text =
            std::str::from_utf8(bytes.trim_ascii_end()).map_err(|_| damaged("it is not text"))?;
        let decoded = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| damaged("it is not base64url"))?;
        if decoded.len() != crate::SECRET_BYTES {
            return Err(damaged("it is not 32 bytes of base64url"));
        }
        Ok(Self(SecretString::from(text)))
    }

    fn create(path: &Path) -> Result<Self, Error> {
        let token = Self(SecretString::from(
            URL_SAFE_NO_PAD.encode(Secret::random()?.expose()),
        ));
        match secret_file::create(path, token.expose().as_bytes()) {
            Ok(()) => Ok(token),
            // Another process drew one in the meantime: that one counts.
            Err(Error::KeyExists { .. }) => Self::open(path),
            Err(error) => Err(error),
        }
    }

    /// The token as it stands in `Authorization: Bearer …`.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `presented` is this token, in a time that does not depend on
    /// where they differ.
    pub fn matches(&self, presented: &str) -> bool {
        self.expose().as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_token_is_drawn_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.token");
        let drawn = OperatorToken::open_or_create(&path).unwrap();
        let read = OperatorToken::open_or_create(&path).unwrap();

        assert_eq!(drawn.expose().len(), TOKEN_CHARS);
        assert!(drawn.matches(read.expose()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        fs::remove_file(&path).unwrap();
        let other = OperatorToken::open_or_create(&path).unwrap();
        assert!(!other.matches(drawn.expose()));
    }

    #[test]
    fn only_the_whole_token_matches() {
        let folder = tempfile::tempdir().unwrap();
        let token = OperatorToken::open_or_create(&folder.path().join("t")).unwrap();
        let text = token.expose();

        assert!(!token.matches(""));
        assert!(!token.matches(&text[..TOKEN_CHARS - 1]));
        assert!(!token.matches(&format!("{text} ")));
        assert!(!token.matches(&text.to_uppercase()) || text == text.to_uppercase());
        assert!(!format!("{token:?}").contains(text));
    }

    #[test]
    fn a_token_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        OperatorToken::open_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = OperatorToken::open_or_create(&path).unwrap_err();
        assert!(matches!(error, Error::TooOpen { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for content in ["", "c2hvcnQ", "not base64url!", "\u{fffd}"] {
            fs::write(&path, content).unwrap();
            let error = OperatorToken::open_or_create(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{content:?}");
        }
    }
}
