//! Roles of the access manager.
//!
//! A restricted function belongs to [`ADMIN`] until the admin assigns it to another role
//! (`setTargetFunctionRole`). A genesis assigns `Escrow.resolve` to [`INSPECTOR`].

/// Governs the access manager itself and every restricted function not assigned otherwise;
/// the value is OpenZeppelin's `ADMIN_ROLE`.
pub const ADMIN: u64 = 0;

/// Decides disputes in the escrow.
pub const INSPECTOR: u64 = 1;
