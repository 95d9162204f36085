// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC5192} from "./IERC5192.sol";

/// @notice Where a lot stands by itself. Expiry is computed, and what descends from an ancestor is
/// added by {IPlantCertificate-effectiveStatus}.
enum Status {
    None,
    Active,
    Suspended,
    Revoked,
    Retired,
    Superseded
}

/// @notice What an issuer says about a new lot.
/// @param credentialHash SHA-256 of the credential's canonical form (RFC 8785) without its proof.
/// @param taxon keccak256 of the scientific name.
/// @param statusIndex The credential's index in its issuer's status list; each is used once.
/// @param expiresAt Unix seconds at which the certificate has expired; 0: never.
/// @param quantity How many units.
/// @param unit UN/CEFACT Recommendation 20 code in ASCII, right padded with zeros, e.g. "H87".
struct NewLot {
    bytes32 credentialHash;
    bytes32 taxon;
    uint64 statusIndex;
    uint64 expiresAt;
    uint128 quantity;
    bytes3 unit;
}

/// @notice A lot of plants.
/// @param issuer Who issued it.
/// @param issuedAt Unix seconds of the block of issue.
/// @param expiresAt Unix seconds at which it has expired; 0: never.
/// @param issuedBlock Block of issue.
/// @param statusIndex The credential's index in its issuer's status list.
/// @param status Where it stands by itself.
/// @param depth Generations above it, 0 for a lot without parents.
/// @param unit UN/CEFACT Recommendation 20 code.
/// @param quantity Units it was issued for.
/// @param remainder Units that no child has taken.
/// @param taxon keccak256 of the scientific name.
/// @param credentialHash SHA-256 of the credential's canonical form without its proof.
/// @param reason Code given with the last suspension or revocation, right padded ASCII; 0 otherwise.
/// @param statusBlock Block of the last change of status; 0 before the first one.
/// @param heldStatus While suspended, the status that a reinstatement restores; None otherwise.
struct Lot {
    address issuer;
    uint64 issuedAt;
    uint64 expiresAt;
    uint64 issuedBlock;
    uint64 statusIndex;
    Status status;
    uint8 depth;
    bytes3 unit;
    uint128 quantity;
    uint128 remainder;
    bytes32 taxon;
    bytes32 credentialHash;
    bytes32 reason;
    uint64 statusBlock;
    Status heldStatus;
}

/// @title Certificates of plant lots: who vouches, what became of them, where they came from
/// @notice Life cycle of a lot:
///
///     Active ──────────────→ Retired (by owner or issuer)
///       │ └────────────────→ Superseded (by issuer)
///       │                       │
///       └──⇄ Suspended ⇄────────┘  (by the issuer's authority, over any of the three)
///     any ─────────────────→ Revoked (by the issuer's authority or the issuer)
///
/// Suspended and Revoked descend to every descendant; Retired, Superseded and expiry do not. An
/// owner can therefore not shield descendants from a recall by retiring their parent: a
/// suspension covers retired and superseded lots too, and lifting it restores what was.
///
/// Quantity is conserved: `quantity == remainder + what direct children took from it`. A lot whose
/// remainder is 0 stays Active.
///
/// A token is locked (ERC-5192) while its effective status is not Active, or once it has expired;
/// then it can be neither transferred nor split nor merged. `Locked` and `Unlocked` are emitted
/// for the lot whose own status changed; for its descendants the change shows in
/// `BatchMetadataUpdate` (ERC-4906), whose range holds every lot issued later.
interface IPlantCertificate is IERC4906, IERC5192 {
    /// @notice A lot came into being; ids count from 1.
    event Issued(uint256 indexed id, address indexed issuer, bytes32 indexed credentialHash, uint128 quantity);

    /// @notice `parent` gave to `count` children with consecutive ids from `firstChild`.
    event Split(uint256 indexed parent, uint256 firstChild, uint256 count);

    /// @notice `id` was made out of `parents`.
    event Merged(uint256 indexed id, uint256[] parents);

    /// @notice `successor` took over the whole remainder of `id`.
    event Replaced(uint256 indexed id, uint256 indexed successor);

    /// @notice The status of `id` itself changed.
    event StatusChanged(uint256 indexed id, Status status, address indexed by, bytes32 reason);

    /// @notice `issuer` is not accredited for `taxon` in this block.
    error NotAccredited(address issuer, bytes32 taxon);

    /// @notice `caller` is not the authority that answers for `issuer`; `authority` is (zero: nobody).
    error NotAuthorityOf(address caller, address issuer, address authority);

    /// @notice `caller` may not do this with lot `id`: only its owner, issuer or authority may,
    /// whichever the function names.
    error NotAllowed(uint256 id, address caller);

    /// @notice The own status of lot `id` does not allow this.
    error WrongStatus(uint256 id, Status status);

    /// @notice Lot `id` cannot be used: it has `expired`, or `cause` (itself or an ancestor) has `status`.
    error LotLocked(uint256 id, Status status, bool expired, uint256 cause);

    /// @notice A field of a new lot that must not be zero is zero.
    error IncompleteLot(bytes32 credentialHash, bytes32 taxon, uint128 quantity, bytes3 unit);

    /// @notice A suspension or revocation needs a reason.
    error NoReason(uint256 id);

    /// @notice Certificate `id` is of this credential already.
    error CredentialUsed(bytes32 credentialHash, uint256 id);

    /// @notice The issuer has used this index of its status list already.
    error StatusIndexUsed(address issuer, uint64 index);

    /// @notice `expiresAt` is not after `timestamp`, the time of the block.
    error AlreadyExpired(uint64 expiresAt, uint256 timestamp);

    /// @notice A lot made from `parent` may not outlive it; 0 means never.
    error OutlivesParent(uint256 parent, uint64 expiresAt, uint64 parentExpiresAt);

    /// @notice A lot made from `parent` must have its taxon.
    error TaxonDiffers(uint256 parent, bytes32 taxon, bytes32 parentTaxon);

    /// @notice A lot made from `parent` must have its unit.
    error UnitDiffers(uint256 parent, bytes3 unit, bytes3 parentUnit);

    /// @notice `parent` has only `remainder` units left.
    error NotEnoughLeft(uint256 parent, uint256 wanted, uint128 remainder);

    /// @notice The new lot must be of `expected` units: what its parents give.
    error QuantityDiffers(uint128 quantity, uint256 expected);

    /// @notice A parent of a merged lot gives nothing.
    error NothingTaken(uint256 parent);

    /// @notice `given` children; 1 to `max` are allowed in one split.
    error ChildCount(uint256 given, uint256 max);

    /// @notice `parents` parents and `quantities` quantities; 2 to `max` of each are allowed.
    error ParentCount(uint256 parents, uint256 quantities, uint256 max);

    /// @notice Parents must be given once each, by ascending id.
    error ParentsNotAscending(uint256 previous, uint256 next);

    /// @notice `parent` has `max` generations above it: nothing can descend from it.
    error TooDeep(uint256 parent, uint256 max);

    /// @notice `parent` would have more than `max` direct children.
    error TooManyChildren(uint256 parent, uint256 max);

    /// @notice The new lot would have more than `max` distinct ancestors.
    error TooManyAncestors(uint256 max);

    /// @notice Issues a lot without parents to `to`. The caller must be accredited for its taxon.
    /// @return id Of the new certificate.
    function issue(address to, NewLot calldata newLot) external returns (uint256 id);

    /// @notice Takes lots out of `parent` and issues them to `to`.
    /// @dev The caller owns `parent` or is approved for it, and is accredited for its taxon.
    /// Children have the parent's taxon and unit and expire no later than it.
    /// @param newLots 1 to `CHILDREN_PER_SPLIT_MAX` lots; together at most the parent's remainder.
    /// @return firstId Id of the first child; the others follow it.
    function split(uint256 parent, NewLot[] calldata newLots, address to) external returns (uint256 firstId);

    /// @notice Makes one lot out of parts of several and issues it to `to`.
    /// @dev The caller owns each parent or is approved for it, and is accredited for their taxon.
    /// The lot has the parents' common taxon and unit and expires no later than any of them.
    /// @param parentIds 2 to `PARENTS_MAX` lots by ascending id.
    /// @param quantities What each gives, more than 0; their sum is the new lot's quantity.
    /// @return id Of the new certificate.
    function merge(
        uint256[] calldata parentIds,
        uint128[] calldata quantities,
        NewLot calldata newLot,
        address to
    ) external returns (uint256 id);

    /// @notice Puts a hold on an Active, Retired or Superseded lot, and thereby on every descendant.
    /// @dev Only the authority of the lot's issuer.
    /// @param reason Short ASCII code, right padded with zeros, e.g. "XYLEFA" (EPPO).
    function suspend(uint256 id, bytes32 reason) external;

    /// @notice Lifts the hold: the lot is again what it was. Only the authority of the lot's issuer.
    function reinstate(uint256 id) external;

    /// @notice Ends a lot, and every descendant, for good.
    /// @dev The authority of the lot's issuer, or the issuer, from any other status.
    /// @param reason Short ASCII code, right padded with zeros.
    function revoke(uint256 id, bytes32 reason) external;

    /// @notice Ends an Active lot because it served its purpose. Its owner or its issuer.
    function retire(uint256 id) external;

    /// @notice Replaces an Active lot, even an expired one, by a new certificate for its owner.
    /// @dev Only the lot's issuer, accredited for its taxon. The successor is a child that takes
    /// the whole remainder, of the same taxon and unit; being a new assessment, it may outlive
    /// its parent.
    /// @return successor Id of the new certificate.
    function supersede(uint256 id, NewLot calldata newLot) external returns (uint256 successor);

    /// @notice The record of a lot; all zero (status None) for an unknown id.
    function lot(uint256 id) external view returns (Lot memory);

    /// @notice The direct parents of a lot and what each gave; empty for an unknown id.
    function parents(uint256 id) external view returns (uint256[] memory ids, uint128[] memory quantities);

    /// @notice The direct children of a lot by ascending id; empty for an unknown id.
    function children(uint256 id) external view returns (uint256[] memory);

    /// @notice Where a lot stands, its ancestors considered. Reverts for an unknown id.
    /// @dev The gravest counts: Revoked, then Suspended, of the lot or any ancestor; else its own status.
    /// @return status Without regard to expiry.
    /// @return expired Whether the lot itself has expired.
    /// @return cause The lot whose status this is: the oldest (lowest id) of those with the
    /// gravest status, or `id` itself.
    function effectiveStatus(uint256 id) external view returns (Status status, bool expired, uint256 cause);

    /// @notice The certificate of a credential; 0 if there is none.
    function idOfCredential(bytes32 credentialHash) external view returns (uint256);

    /// @notice Whether `issuer` has used `index` of its status list.
    function statusIndexUsed(address issuer, uint64 index) external view returns (bool);

    /// @notice How many certificates were issued; also the id of the latest.
    function totalSupply() external view returns (uint256);
}
