// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title Minimal soulbound tokens, https://eips.ethereum.org/EIPS/eip-5192
/// @dev The ERC-165 identifier is 0xb45a3c0e.
interface IERC5192 {
    /// @notice The token became locked.
    event Locked(uint256 tokenId);

    /// @notice The token became unlocked, or was minted unlocked.
    event Unlocked(uint256 tokenId);

    /// @notice Whether the token cannot be transferred now.
    /// @dev Reverts for a token that does not exist.
    function locked(uint256 tokenId) external view returns (bool);
}
