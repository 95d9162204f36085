// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IIssuerRegistry, Issuer} from "./IIssuerRegistry.sol";

/// @title Who may issue certificates, for which plants, and who answers for them
/// @notice The chain of trust is certificate → issuer → authority → access manager.
contract IssuerRegistry is IIssuerRegistry, AccessManaged {
    /// @notice Taxa that one accreditation may name.
    uint256 public constant TAXA_MAX = 64;

    /// @dev Stands for "all taxa" in a scope; no scientific name hashes to zero.
    bytes32 private constant ALL_TAXA = 0;

    mapping(address account => bool) private _authorities;
    mapping(address issuer => Issuer) private _issuers;

    /// @dev Scopes are numbered, so that a new accreditation need not clear the old scope.
    mapping(address issuer => uint256) private _scopeOf;
    mapping(address issuer => mapping(uint256 scope => mapping(bytes32 taxon => bool))) private _scopes;

    /// @param accessManager Decides who adds and removes authorities.
    constructor(address accessManager) AccessManaged(accessManager) {}

    /// @inheritdoc IIssuerRegistry
    function addAuthority(address account) external restricted {
        require(!_authorities[account], AlreadyAnAuthority(account));
        _authorities[account] = true;
        emit AuthorityAdded(account);
    }

    /// @inheritdoc IIssuerRegistry
    function removeAuthority(address account) external restricted {
        require(_authorities[account], NotAnAuthority(account));
        _authorities[account] = false;
        emit AuthorityRemoved(account);
    }

    /// @inheritdoc IIssuerRegistry
    function accredit(address issuer, bytes32 didHash, bytes32[] calldata taxa, uint64 validUntil) external {
        require(_authorities[msg.sender], NotAnAuthority(msg.sender));
        address current = authorityOf(issuer);
        require(current == address(0) || current == msg.sender, NotAuthorityOf(msg.sender, issuer, current));
        require(issuer != address(0) && didHash != 0, NamelessIssuer(issuer, didHash));
        require(taxa.length <= TAXA_MAX, TooManyTaxa(taxa.length, TAXA_MAX));
        require(validUntil == 0 || validUntil > block.timestamp, AlreadyEnded(validUntil, block.timestamp));

        _issuers[issuer] = Issuer({
            authority: msg.sender,
            didHash: didHash,
            accreditedBlock: uint64(block.number),
            validUntil: validUntil,
            active: true
        });
        mapping(bytes32 => bool) storage scope = _scopes[issuer][++_scopeOf[issuer]];
        if (taxa.length == 0) scope[ALL_TAXA] = true;
        for (uint256 i = 0; i < taxa.length; ++i) {
            require(taxa[i] != ALL_TAXA, NamelessTaxon(i));
            scope[taxa[i]] = true;
        }
        emit Accredited(issuer, msg.sender, didHash, taxa, validUntil);
    }

    /// @inheritdoc IIssuerRegistry
    function withdraw(address issuer) external {
        address current = authorityOf(issuer);
        require(current == msg.sender, NotAuthorityOf(msg.sender, issuer, current));
        require(_issuers[issuer].active, NotActive(issuer));
        _issuers[issuer].active = false;
        emit Withdrawn(issuer, msg.sender);
    }

    /// @inheritdoc IIssuerRegistry
    function isAuthority(address account) external view returns (bool) {
        return _authorities[account];
    }

    /// @inheritdoc IIssuerRegistry
    function isAccredited(address issuer, bytes32 taxon) external view returns (bool) {
        Issuer storage record = _issuers[issuer];
        if (!record.active || !_authorities[record.authority]) return false;
        if (record.validUntil != 0 && block.timestamp >= record.validUntil) return false;
        mapping(bytes32 => bool) storage scope = _scopes[issuer][_scopeOf[issuer]];
        return scope[ALL_TAXA] || scope[taxon];
    }

    /// @inheritdoc IIssuerRegistry
    function issuerOf(address issuer) external view returns (Issuer memory) {
        return _issuers[issuer];
    }

    /// @inheritdoc IIssuerRegistry
    function authorityOf(address issuer) public view returns (address) {
        address recorded = _issuers[issuer].authority;
        return _authorities[recorded] ? recorded : address(0);
    }
}
