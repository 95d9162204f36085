//! The files of the encrypted endpoint: certificate, key and token.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use subtle::ConstantTimeEq;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, TlsConfig};

/// The user name that goes with the token.
const USER: &[u8] = b"phytomer";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The fewest characters of a token that somebody else chose.
const TOKEN_LEN_MIN: usize = 16;

/// What the encrypted endpoint shows and asks for.
pub(crate) struct Credentials {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) token: Token,
}

/// The token that clients show.
pub(crate) struct Token(String);

impl Token {
    /// Whether a SASL PLAIN message (RFC 4616) shows this token. Takes the same time for every
    /// wrong token of one length.
    pub(crate) fn admits(&self, message: &[u8]) -> bool {
        let mut parts = message.split(|byte| *byte == 0);
        let (Some(_), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        user == USER && bool::from(password.ct_eq(self.0.as_bytes()))
    }
}

impl Credentials {
    /// Reads the files, makes those that are missing. A certificate that is made is for this
    /// machine's loopback names, `address` and `host`.
    ///
    /// # Errors
    /// [`Error`] where a file cannot be used, or a secret can be read by others.
    pub(crate) fn open(
        config: &TlsConfig,
        address: IpAddr,
        host: Option<&str>,
    ) -> Result<Self, Error> {
        if !config.certificate.exists() && !config.key.exists() {
            make_certificate(config, address, host)?;
        }
        if !config.token.exists() {
            let token = hex::encode(rand::random::<[u8; TOKEN_BYTES]>());
            write_secret(&config.token, token.as_bytes())?;
        }
        let token = String::from_utf8_lossy(&read_secret(&config.token)?)
            .trim()
            .to_owned();
        if token.len() < TOKEN_LEN_MIN || token.contains('\0') {
            return Err(Error::Invalid {
                path: config.token.clone(),
                wanted: "a token",
                reason: format!("it needs at least {TOKEN_LEN_MIN} characters"),
            });
        }
        Ok(Self {
            acceptor: acceptor(config)?,
            token: Token(token),
        })
    }
}

fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, Error> {
    let invalid = |path: &Path, wanted, reason: String| Error::Invalid {
        path: path.to_owned(),
        wanted,
        reason,
    };
    let pem = read(&config.certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| {
            invalid(
                &config.certificate,
                "a certificate in PEM",
                error.to_string(),
            )
        })?;
    let pem = read_secret(&config.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| invalid(&config.key, "a private key in PEM", error.to_string()))?;
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            let wanted = "a certificate that belongs to the key";
            invalid(&config.certificate, wanted, error.to_string())
        })?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn make_certificate(config: &TlsConfig, address: IpAddr, host: Option<&str>) -> Result<(), Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    names.extend(host.map(str::to_owned));
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "phytomer");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write_secret(&config.key, key.serialize_pem().as_bytes())?;
    create(&config.certificate, certificate.pem().as_bytes(), 0o644)
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    create(path, bytes, 0o600)
}

/// Writes a new file that has its permissions from the first moment on.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn read_secret(path: &Path) -> Result<Vec<u8>, Error> {
    let metadata = fs::metadata(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> TlsConfig {
        TlsConfig {
            certificate: folder.join("kafka.crt"),
            key: folder.join("kafka.key"),
            token: folder.join("kafka.token"),
        }
    }

    fn open(config: &TlsConfig) -> Result<Credentials, Error> {
        Credentials::open(config, IpAddr::from([127, 0, 0, 1]), Some("plants.example"))
    }

    #[test]
    fn files_are_made_once_and_secrets_are_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let config = files(&folder.path().join("new"));
        let first = open(&config).unwrap();
        let made = fs::read(&config.certificate).unwrap();
        for secret in [&config.key, &config.token] {
            let mode = fs::metadata(secret).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let second = open(&config).unwrap();
        assert_eq!(first.token.0, second.token.0);
        assert_eq!(made, fs::read(&config.certificate).unwrap());
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = files(folder.path());
        open(&config).unwrap();
        for secret in [&config.token, &config.key] {
            fs::set_permissions(secret, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(
                open(&config),
                Err(Error::Exposed { mode: 0o640, .. })
            ));
            fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    #[test]
    fn files_that_are_not_what_they_should_be_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = files(folder.path());
        open(&config).unwrap();
        fs::write(&config.token, "short").unwrap();
        assert!(matches!(
            open(&config),
            Err(Error::Invalid {
                wanted: "a token",
                ..
            })
        ));
        fs::remove_file(&config.token).unwrap();
        fs::write(&config.certificate, "no certificate").unwrap();
        assert!(matches!(open(&config), Err(Error::Invalid { .. })));
        // A key without its certificate is never replaced.
        fs::remove_file(&config.certificate).unwrap();
        assert!(matches!(open(&config), Err(Error::File { .. })));
    }

    #[test]
    fn only_the_token_is_admitted() {
        let token = Token("0123456789abcdef".into());
        assert!(token.admits(b"\0phytomer\x000123456789abcdef"));
        assert!(token.admits(b"anyone\0phytomer\x000123456789abcdef"));
        for wrong in [
            b"".as_slice(),
            b"\0phytomer\x000123456789abcdee",
            b"\0phytomer\x000123456789abcde",
            b"\0phytomer\0",
            b"\0other\x000123456789abcdef",
            b"\0phytomer\x000123456789abcdef\0",
        ] {
            assert!(!token.admits(wrong));
        }
    }
}
