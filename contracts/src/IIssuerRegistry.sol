// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice What an authority says about an issuer.
/// @param authority Who accredited it.
/// @param didHash keccak256 of the issuer's DID string.
/// @param accreditedBlock Block of the accreditation that holds now.
/// @param validUntil Unix seconds at which the accreditation has ended; 0: until withdrawn.
/// @param active False once withdrawn.
struct Issuer {
    address authority;
    bytes32 didHash;
    uint64 accreditedBlock;
    uint64 validUntil;
    bool active;
}

/// @title Who may issue certificates, for which plants, and who answers for them
interface IIssuerRegistry {
    /// @notice `authority` may accredit issuers from now on.
    event AuthorityAdded(address indexed authority);

    /// @notice `authority` and all its accreditations count for nothing from now on.
    event AuthorityRemoved(address indexed authority);

    /// @notice `authority` accredited `issuer`; an empty `taxa` means every taxon.
    event Accredited(
        address indexed issuer,
        address indexed authority,
        bytes32 indexed didHash,
        bytes32[] taxa,
        uint64 validUntil
    );

    /// @notice `authority` ended the accreditation of `issuer`.
    event Withdrawn(address indexed issuer, address indexed authority);

    /// @notice `caller` is not an authority.
    error NotAnAuthority(address caller);

    /// @notice `authority` is one already.
    error AlreadyAnAuthority(address authority);

    /// @notice `caller` does not answer for `issuer`; `authority` does (zero: nobody).
    error NotAuthorityOf(address caller, address issuer, address authority);

    /// @notice `issuer` has no accreditation to withdraw.
    error NotActive(address issuer);

    /// @notice The issuer's address, or the hash of its DID, is zero.
    error NamelessIssuer(address issuer, bytes32 didHash);

    /// @notice The taxon at `index` is zero.
    error NamelessTaxon(uint256 index);

    /// @notice An accreditation may name at most `max` taxa.
    error TooManyTaxa(uint256 count, uint256 max);

    /// @notice `validUntil` is not after `timestamp`, the time of the block.
    error AlreadyEnded(uint64 validUntil, uint256 timestamp);

    /// @notice Lets `account` accredit issuers. Restricted by the access manager.
    function addAuthority(address account) external;

    /// @notice Takes the right, and the standing of all its issuers, from `account`. Restricted
    /// by the access manager. Adding it again brings both back.
    function removeAuthority(address account) external;

    /// @notice Accredits `issuer`, or replaces its accreditation by this one.
    /// @dev An issuer stays with the authority that accredited it first, even after a withdrawal,
    /// so that nobody can take over the certificates of another authority's issuers. Only when
    /// that authority was removed may another one adopt the issuer. An issuer that moves to
    /// another authority of its own accord takes a new address.
    /// @param didHash keccak256 of the issuer's DID string, not zero.
    /// @param taxa keccak256 of each scientific name in scope; empty: all taxa.
    /// @param validUntil Unix seconds at which the accreditation has ended; 0: until withdrawn.
    function accredit(address issuer, bytes32 didHash, bytes32[] calldata taxa, uint64 validUntil) external;

    /// @notice Ends the accreditation of `issuer` at once. Only its authority may.
    /// @dev Certificates issued before stay as they are: scope is judged at the block of issue.
    function withdraw(address issuer) external;

    /// @notice Whether `account` may accredit issuers.
    function isAuthority(address account) external view returns (bool);

    /// @notice Whether `issuer` may issue certificates for `taxon` in this block.
    function isAccredited(address issuer, bytes32 taxon) external view returns (bool);

    /// @notice The record of `issuer`; all zero when it was never accredited.
    function issuerOf(address issuer) external view returns (Issuer memory);

    /// @notice Who answers for `issuer` and may suspend its certificates, also after a withdrawal;
    /// zero when nobody ever accredited it or that authority was removed.
    function authorityOf(address issuer) external view returns (address);
}
