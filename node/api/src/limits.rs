//! Every limit of the edge, by name.

use std::time::Duration;

/// TCP connections at once; more wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Requests being answered at once; more are told to come back.
pub const CONCURRENT_REQUESTS_MAX: usize = 256;

/// How long a client may take to send the head of a request, or stay idle before the next one.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer may take. Certification waits for a block and is the slowest.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long open connections may take to end after shutdown began.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Bytes of a JSON body of the REST API.
pub const JSON_BYTES_MAX: usize = 64 << 10;

/// Bytes of a credential given for verification.
pub const CREDENTIAL_BYTES_MAX: usize = 256 << 10;

/// Bytes of a photo.
pub const PHOTO_BYTES_MAX: usize = phytomer_models::FILE_BYTES_MAX;

/// Bytes of a certification request: the photo, the details and the multipart frame.
pub const CERTIFY_BYTES_MAX: usize = PHOTO_BYTES_MAX + JSON_BYTES_MAX + (4 << 10);

/// Bytes of a JSON-RPC request, single or batch; geth's limit.
pub const RPC_REQUEST_BYTES_MAX: usize = 5 << 20;

/// Bytes of a JSON-RPC answer, single or batch; geth's limit for batches.
pub const RPC_RESPONSE_BYTES_MAX: usize = 25_000_000;

/// Slots that one `eth_getProof` proves; geth's limit.
pub const PROOF_SLOTS_MAX: usize = 1_024;

/// Calls in a JSON-RPC batch.
pub const RPC_BATCH_LEN_MAX: usize = 100;

/// WebSocket connections at once.
pub const WS_CONNECTIONS_MAX: usize = 128;

/// Messages of one WebSocket connection being answered at once; more wait unread.
pub const WS_IN_FLIGHT_MAX: usize = 16;

/// Answers and notifications waiting to be written to one WebSocket connection.
pub const WS_OUTBOX_LEN_MAX: usize = 256;

/// Subscriptions of one WebSocket connection.
pub const WS_SUBSCRIPTIONS_MAX: u32 = 64;

/// How long a client may leave what was written to it unread before its connection is dropped.
pub const STREAM_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an idle WebSocket connection is pinged; it is closed when two pings go unanswered.
pub const WS_PING_INTERVAL: Duration = Duration::from_secs(30);

/// Filters (`eth_newFilter` and its kin) at once, over all clients.
pub const FILTERS_MAX: usize = 1_024;

/// Hashes or logs after which the answer to a poll of a filter ends; the next poll goes on from
/// there. The logs of one block are never parted.
pub const FILTER_CHANGES_MAX: usize = 10_000;

/// Addresses, or topics of one position, that a filter may name; geth's limit.
pub const FILTER_ALTERNATIVES_MAX: usize = 1_000;

/// How long a filter lives that nobody asks.
pub const FILTER_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Event streams at once.
pub const EVENT_STREAMS_MAX: usize = 128;

/// How often an idle event stream gets a comment, so that proxies keep it open.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Recognitions per minute from one address, and how many may come at once.
pub const RECOGNITIONS_PER_MINUTE: u32 = 60;

/// Recognitions per minute from all addresses together.
pub const RECOGNITIONS_PER_MINUTE_TOTAL: u32 = 600;

/// Addresses whose recognitions are counted at once.
pub const RATE_LIMITED_CLIENTS_MAX: usize = 4_096;

/// Logs that the id of an event names; an event stream reads more than these.
pub const EVENT_LOGS_MAX: usize = phytomer_registry::FEED_LOGS_MAX;

/// Events in one page of a log.
pub const EVENTS_PAGE_LEN_MAX: usize = 1_000;

/// Proofs against producers on a page, each of at most about 10 KB.
pub const EVIDENCE_LEN_MAX: usize = 100;

/// Bytes of events in one page of a log; one larger event is given alone.
pub const EVENTS_PAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes of an event to append, as JSON: the largest one with room for its encoding.
pub const EVENT_BYTES_MAX: usize = 2 * phytomer_streams::EVENT_BYTES_MAX;

/// How long adding a blob may take.
pub const BLOB_UPLOAD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Fetches of blobs that go on while nobody waits for them.
pub const BLOB_FETCHES_MAX: usize = 64;

/// Blobs in a list.
pub const BLOBS_LEN_MAX: usize = 1_000;

/// How long a request waits for a blob to be fetched before it tells how far it has come.
pub const BLOB_FETCH_WAIT: Duration = Duration::from_secs(5);
