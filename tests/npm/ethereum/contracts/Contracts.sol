// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// OpenZeppelin's ERC-20 as it comes, with a supply.
contract Seedling is ERC20 {
    constructor(uint256 supply) ERC20("Seedling", "SEED") {
        _mint(msg.sender, supply);
    }
}

/// OpenZeppelin's ERC-721 as it comes, open to everyone who collects.
contract Herbarium is ERC721 {
    uint256 private _last;

    constructor() ERC721("Herbarium", "HERB") {}

    function collect(address to) external returns (uint256 id) {
        id = ++_last;
        _safeMint(to, id);
    }
}

/// Every way in which a contract refuses.
contract Refusal {
    error Wilted(uint256 leaves);

    function withText() external pure {
        require(false, "no leaf left");
    }

    function withError() external pure {
        revert Wilted(3);
    }

    function withPanic(uint256 divisor) external pure returns (uint256) {
        return 1 / divisor;
    }

    function withNothing() external pure {
        revert();
    }
}
