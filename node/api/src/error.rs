//! Why the edge could not start.

use std::net::SocketAddr;

/// An error of starting the edge. What goes wrong while it runs is a [`Problem`](crate::Problem)
/// for the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {addr}: {source}; stop the program that uses the port, or choose another \
         one with `--http-port`"
    )]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// `public_url` is not a URL.
    #[error(
        "`{url}` in public_url is not a URL; write scheme and host, such as `https://node.example`"
    )]
    PublicUrl {
        /// The setting.
        url: String,
    },
    /// An entry of `allowed_hosts` is not a host name.
    #[error(
        "`{host}` in allowed_hosts is not a host name; write it without scheme, port and path, such as `node.example`"
    )]
    AllowedHost {
        /// The entry.
        host: String,
    },
    /// An entry of `allowed_origins` is not an origin.
    #[error(
        "`{origin}` in allowed_origins is not an origin; write scheme, host and port, such as `https://shop.example`"
    )]
    AllowedOrigin {
        /// The entry.
        origin: String,
    },
    /// The metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] phytomer_telemetry::Error),
}
