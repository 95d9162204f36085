// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title tUSD: test money in which plants are priced on development and test networks
/// @notice It is worth nothing and promises nothing. ERC-20 with ERC-2612 permits and ERC-3009
/// transfers by authorisation (random 32-byte nonces, as x402 needs them).
contract TestUSD is ERC20, ERC20Permit, ERC3009, AccessManaged {
    /// @param accessManager Decides who mints.
    constructor(
        address accessManager
    ) ERC20("Test USD (no value)", "tUSD") ERC20Permit("Test USD (no value)") AccessManaged(accessManager) {}

    /// @notice Creates `amount` millionths of a tUSD for `to`. Restricted by the access manager.
    function mint(address to, uint256 amount) external restricted {
        _mint(to, amount);
    }

    /// @notice 6: amounts count millionths.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
