// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Utils} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Utils.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {IERC5192} from "./IERC5192.sol";
import {IIssuerRegistry} from "./IIssuerRegistry.sol";
import {IPlantCertificate, Lot, NewLot, Status} from "./IPlantCertificate.sol";
import {Lineage} from "./Lineage.sol";

/// @title Certificates of plant lots, as ERC-721 tokens
/// @notice The contract has no owner: what may be issued is decided by the issuer registry, and
/// nobody can forge, freeze or move a certificate beyond what {IPlantCertificate} says.
contract PlantCertificate is ERC721, IPlantCertificate, ReentrancyGuardTransient {
    using BitMaps for BitMaps.BitMap;
    using Lineage for Lineage.Graph;

    /// @notice Direct parents that a lot may have.
    uint256 public constant PARENTS_MAX = Lineage.PARENTS_MAX;

    /// @notice Generations that a lot may have above it.
    uint256 public constant DEPTH_MAX = Lineage.DEPTH_MAX;

    /// @notice Distinct ancestors that a lot may have.
    uint256 public constant ANCESTORS_MAX = Lineage.ANCESTORS_MAX;

    /// @notice Direct children that a lot may have.
    uint256 public constant CHILDREN_MAX = Lineage.CHILDREN_MAX;

    /// @notice Children that one call of `split` may make: they fit a transaction (EIP-7825),
    /// even below a parent with as many ancestors as are allowed.
    uint256 public constant CHILDREN_PER_SPLIT_MAX = 50;

    /// @dev ERC-165 identifiers of ERC-4906 and ERC-5192.
    bytes4 private constant ERC4906_ID = 0x49064906;
    bytes4 private constant ERC5192_ID = 0xb45a3c0e;

    /// @notice Says who may issue, and who answers for an issuer.
    IIssuerRegistry public immutable issuers;

    /// @inheritdoc IPlantCertificate
    uint256 public totalSupply;

    Lineage.Graph private _graph;
    mapping(bytes32 credentialHash => uint256 id) private _idOfCredential;
    mapping(address issuer => BitMaps.BitMap) private _statusIndexes;

    /// @param registry Says who may issue, and who answers for an issuer.
    constructor(IIssuerRegistry registry) ERC721("Phytomer Plant Certificate", "PLANT") {
        issuers = registry;
    }

    /// @inheritdoc IPlantCertificate
    function issue(address to, NewLot calldata newLot) external nonReentrant returns (uint256 id) {
        _requireAccredited(newLot.taxon);
        id = _record(newLot, 0);
        _handOut(to, id, 1);
    }

    /// @inheritdoc IPlantCertificate
    function split(
        uint256 parent,
        NewLot[] calldata newLots,
        address to
    ) external nonReentrant returns (uint256 firstId) {
        uint256 count = newLots.length;
        require(count != 0 && count <= CHILDREN_PER_SPLIT_MAX, ChildCount(count, CHILDREN_PER_SPLIT_MAX));
        _requireDivisible(parent);
        Lot storage from = _graph.lots[parent];
        _requireAccredited(from.taxon);
        uint8 depth = _depthBelow(_single(parent));

        firstId = totalSupply + 1;
        uint256 taken = 0;
        for (uint256 i = 0; i < count; ++i) {
            _requireInherits(parent, newLots[i], false);
            _graph.link(parent, _record(newLots[i], depth), 0);
            taken += newLots[i].quantity;
        }
        _take(parent, taken);
        emit Split(parent, firstId, count);
        _handOut(to, firstId, count);
    }

    /// @inheritdoc IPlantCertificate
    function merge(
        uint256[] calldata parentIds,
        uint128[] calldata quantities,
        NewLot calldata newLot,
        address to
    ) external nonReentrant returns (uint256 id) {
        uint256 count = parentIds.length;
        require(
            count >= 2 && count <= PARENTS_MAX && count == quantities.length,
            ParentCount(count, quantities.length, PARENTS_MAX)
        );
        _requireAccredited(newLot.taxon);
        for (uint256 i = 0; i < count; ++i) {
            uint256 parent = parentIds[i];
            if (i != 0 && parentIds[i - 1] >= parent) revert ParentsNotAscending(parentIds[i - 1], parent);
            _requireDivisible(parent);
            _requireInherits(parent, newLot, false);
        }
        id = _record(newLot, _depthBelow(parentIds));

        uint256 taken = 0;
        for (uint256 i = 0; i < count; ++i) {
            require(quantities[i] != 0, NothingTaken(parentIds[i]));
            _take(parentIds[i], quantities[i]);
            _graph.link(parentIds[i], id, i);
            _graph.kin[id].taken[i] = quantities[i];
            taken += quantities[i];
        }
        require(newLot.quantity == taken, QuantityDiffers(newLot.quantity, taken));
        emit Merged(id, parentIds);
        _handOut(to, id, 1);
    }

    /// @inheritdoc IPlantCertificate
    function suspend(uint256 id, bytes32 reason) external {
        Lot storage record = _graph.lots[id];
        _requireAuthority(record.issuer);
        Status status = record.status;
        require(
            status == Status.Active || status == Status.Retired || status == Status.Superseded,
            WrongStatus(id, status)
        );
        require(reason != 0, NoReason(id));
        record.heldStatus = status;
        _setStatus(id, Status.Suspended, reason);
    }

    /// @inheritdoc IPlantCertificate
    function reinstate(uint256 id) external {
        Lot storage record = _graph.lots[id];
        _requireAuthority(record.issuer);
        require(record.status == Status.Suspended, WrongStatus(id, record.status));
        Status restored = record.heldStatus;
        record.heldStatus = Status.None;
        _setStatus(id, restored, 0);
    }

    /// @inheritdoc IPlantCertificate
    function revoke(uint256 id, bytes32 reason) external {
        Lot storage record = _graph.lots[id];
        if (msg.sender != record.issuer) _requireAuthority(record.issuer);
        require(record.status != Status.Revoked, WrongStatus(id, record.status));
        require(reason != 0, NoReason(id));
        record.heldStatus = Status.None;
        _setStatus(id, Status.Revoked, reason);
    }

    /// @inheritdoc IPlantCertificate
    function retire(uint256 id) external {
        Lot storage record = _graph.lots[id];
        require(msg.sender == record.issuer || msg.sender == _requireOwned(id), NotAllowed(id, msg.sender));
        require(record.status == Status.Active, WrongStatus(id, record.status));
        _setStatus(id, Status.Retired, 0);
    }

    /// @inheritdoc IPlantCertificate
    function supersede(uint256 id, NewLot calldata newLot) external nonReentrant returns (uint256 successor) {
        Lot storage record = _graph.lots[id];
        require(msg.sender == record.issuer, NotAllowed(id, msg.sender));
        require(record.status == Status.Active, WrongStatus(id, record.status));
        _requireAccredited(record.taxon);
        _requireInherits(id, newLot, true);
        require(newLot.quantity == record.remainder, QuantityDiffers(newLot.quantity, record.remainder));

        successor = _record(newLot, _depthBelow(_single(id)));
        _graph.link(id, successor, 0);
        _take(id, newLot.quantity);
        _setStatus(id, Status.Superseded, 0);
        emit Replaced(id, successor);
        _handOut(ownerOf(id), successor, 1);
    }

    /// @inheritdoc IPlantCertificate
    function lot(uint256 id) external view returns (Lot memory) {
        return _graph.lots[id];
    }

    /// @inheritdoc IPlantCertificate
    function parents(uint256 id) external view returns (uint256[] memory ids, uint128[] memory quantities) {
        Lineage.Kin storage kin = _graph.kin[id];
        uint256 count = 0;
        while (count < PARENTS_MAX && kin.parents[count] != 0) ++count;
        (ids, quantities) = (new uint256[](count), new uint128[](count));
        for (uint256 i = 0; i < count; ++i) {
            (ids[i], quantities[i]) = (kin.parents[i], kin.taken[i]);
        }
        if (count == 1) quantities[0] = _graph.lots[id].quantity;
    }

    /// @inheritdoc IPlantCertificate
    function children(uint256 id) external view returns (uint256[] memory ids) {
        uint64[] storage stored = _graph.kin[id].children;
        ids = new uint256[](stored.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = stored[i];
        }
    }

    /// @inheritdoc IPlantCertificate
    function effectiveStatus(uint256 id) public view returns (Status status, bool expired, uint256 cause) {
        _requireOwned(id);
        (status, cause, ) = _graph.gravest(_single(id));
        if (status == Status.None) (status, cause) = (_graph.lots[id].status, id);
        expired = _hasExpired(id);
    }

    /// @inheritdoc IERC5192
    function locked(uint256 id) external view returns (bool) {
        (Status status, bool expired, ) = effectiveStatus(id);
        return status != Status.Active || expired;
    }

    /// @inheritdoc IPlantCertificate
    function idOfCredential(bytes32 credentialHash) external view returns (uint256) {
        return _idOfCredential[credentialHash];
    }

    /// @inheritdoc IPlantCertificate
    function statusIndexUsed(address issuer, uint64 index) external view returns (bool) {
        return _statusIndexes[issuer].get(index);
    }

    /// @notice Where the credential is found, by its content: `ipfs://` and a CIDv1 in base 16 of
    /// the raw bytes whose SHA-256 is the credential hash. Reverts for an unknown id.
    function tokenURI(uint256 id) public view override returns (string memory) {
        _requireOwned(id);
        bytes memory hash = bytes(Strings.toHexString(uint256(_graph.lots[id].credentialHash), 32));
        // Multibase "f", CID version 01, codec raw 55, multihash sha2-256 12 of 20 bytes; "0x" is cut off.
        return string.concat("ipfs://f01551220", string(Bytes.splice(hash, 2)));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC721, IERC165) returns (bool) {
        return interfaceId == ERC4906_ID || interfaceId == ERC5192_ID || super.supportsInterface(interfaceId);
    }

    /// @dev Every transfer passes here; a locked token stays where it is.
    function _update(address to, uint256 id, address auth) internal override returns (address from) {
        from = super._update(to, id, auth);
        if (from == address(0)) return from;
        (Status status, bool expired, uint256 cause) = effectiveStatus(id);
        require(status == Status.Active && !expired, LotLocked(id, status, expired, cause));
    }

    /// @dev Checks a new lot by itself and writes it down.
    function _record(NewLot calldata newLot, uint8 depth) private returns (uint256 id) {
        require(
            newLot.credentialHash != 0 && newLot.taxon != 0 && newLot.quantity != 0 && newLot.unit != 0,
            IncompleteLot(newLot.credentialHash, newLot.taxon, newLot.quantity, newLot.unit)
        );
        id = _idOfCredential[newLot.credentialHash];
        require(id == 0, CredentialUsed(newLot.credentialHash, id));
        BitMaps.BitMap storage indexes = _statusIndexes[msg.sender];
        require(!indexes.get(newLot.statusIndex), StatusIndexUsed(msg.sender, newLot.statusIndex));
        require(
            newLot.expiresAt == 0 || newLot.expiresAt > block.timestamp,
            AlreadyExpired(newLot.expiresAt, block.timestamp)
        );

        id = ++totalSupply;
        indexes.set(newLot.statusIndex);
        _idOfCredential[newLot.credentialHash] = id;
        Lot storage record = _graph.lots[id];
        record.issuer = msg.sender;
        record.issuedAt = uint64(block.timestamp);
        record.expiresAt = newLot.expiresAt;
        record.issuedBlock = uint64(block.number);
        record.statusIndex = newLot.statusIndex;
        record.status = Status.Active;
        record.depth = depth;
        record.unit = newLot.unit;
        record.quantity = newLot.quantity;
        record.remainder = newLot.quantity;
        record.taxon = newLot.taxon;
        record.credentialHash = newLot.credentialHash;
        emit Issued(id, msg.sender, newLot.credentialHash, newLot.quantity);
    }

    /// @dev Mints `count` tokens from `firstId` to `to`. The receiver, if a contract, is called
    /// only when all of them exist and every record is written.
    function _handOut(address to, uint256 firstId, uint256 count) private {
        for (uint256 id = firstId; id < firstId + count; ++id) {
            _mint(to, id);
            emit Unlocked(id);
        }
        for (uint256 id = firstId; id < firstId + count; ++id) {
            ERC721Utils.checkOnERC721Received(msg.sender, address(0), to, id, "");
        }
    }

    /// @dev Takes `quantity` units out of `parent`.
    function _take(uint256 parent, uint256 quantity) private {
        uint128 remainder = _graph.lots[parent].remainder;
        require(quantity <= remainder, NotEnoughLeft(parent, quantity, remainder));
        _graph.lots[parent].remainder = remainder - uint128(quantity);
    }

    /// @dev Writes a status down and tells everybody.
    function _setStatus(uint256 id, Status status, bytes32 reason) private {
        Lot storage record = _graph.lots[id];
        bool wasActive = record.status == Status.Active;
        record.status = status;
        record.reason = reason;
        record.statusBlock = uint64(block.number);
        emit StatusChanged(id, status, msg.sender, reason);
        if (status == Status.Active) emit Unlocked(id);
        else if (wasActive) emit Locked(id);
        // Descendants may change with it, and all of them have higher ids.
        emit BatchMetadataUpdate(id, totalSupply);
    }

    /// @dev The depth of a new lot made from `parentIds` (ascending), none of which may be, or
    /// descend from, a suspended or revoked lot.
    function _depthBelow(uint256[] memory parentIds) private view returns (uint8 depth) {
        (Status status, uint256 cause, uint256 count) = _graph.gravest(parentIds);
        require(status == Status.None, LotLocked(cause, status, false, cause));
        require(count <= ANCESTORS_MAX, TooManyAncestors(ANCESTORS_MAX));
        for (uint256 i = 0; i < parentIds.length; ++i) {
            uint8 above = _graph.lots[parentIds[i]].depth;
            require(above < DEPTH_MAX, TooDeep(parentIds[i], DEPTH_MAX));
            if (above >= depth) depth = above + 1;
        }
    }

    /// @dev Requires that the caller controls `parent` and that it is active and not expired by itself.
    function _requireDivisible(uint256 parent) private view {
        _checkAuthorized(_ownerOf(parent), msg.sender, parent);
        Status status = _graph.lots[parent].status;
        bool expired = _hasExpired(parent);
        require(status == Status.Active && !expired, LotLocked(parent, status, expired, parent));
    }

    /// @dev Requires that `newLot` has the taxon and unit of `parent`, and its life unless `renewed`.
    function _requireInherits(uint256 parent, NewLot calldata newLot, bool renewed) private view {
        Lot storage from = _graph.lots[parent];
        require(newLot.taxon == from.taxon, TaxonDiffers(parent, newLot.taxon, from.taxon));
        require(newLot.unit == from.unit, UnitDiffers(parent, newLot.unit, from.unit));
        bool outlives = from.expiresAt != 0 && (newLot.expiresAt == 0 || newLot.expiresAt > from.expiresAt);
        require(renewed || !outlives, OutlivesParent(parent, newLot.expiresAt, from.expiresAt));
    }

    function _requireAccredited(bytes32 taxon) private view {
        require(issuers.isAccredited(msg.sender, taxon), NotAccredited(msg.sender, taxon));
    }

    function _requireAuthority(address issuer) private view {
        address authority = issuers.authorityOf(issuer);
        require(msg.sender == authority, NotAuthorityOf(msg.sender, issuer, authority));
    }

    function _hasExpired(uint256 id) private view returns (bool) {
        uint64 expiresAt = _graph.lots[id].expiresAt;
        return expiresAt != 0 && block.timestamp >= expiresAt;
    }

    function _single(uint256 id) private pure returns (uint256[] memory ids) {
        ids = new uint256[](1);
        ids[0] = id;
    }
}
