// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {IPlantCertificate, Lot, Status} from "./IPlantCertificate.sol";

/// @title The graph of lots: parents, children, and the walk over all ancestors
/// @dev A lot's ancestors never change once it exists, and every lot is refused that would have
/// more than `ANCESTORS_MAX` distinct ones, so each walk is bounded, diamonds included.
library Lineage {
    using Arrays for uint256[];

    /// @dev Direct parents of one lot.
    uint256 internal constant PARENTS_MAX = 8;

    /// @dev Generations above one lot.
    uint256 internal constant DEPTH_MAX = 32;

    /// @dev Distinct ancestors of one lot: a line of full depth may take in seven new lots in
    /// each generation.
    uint256 internal constant ANCESTORS_MAX = PARENTS_MAX * DEPTH_MAX;

    /// @dev Direct children of one lot, so that `children` fits an answer.
    uint256 internal constant CHILDREN_MAX = 4096;

    /// @dev The neighbours of one lot. A zero ends `parents`. `taken` is what each parent gave;
    /// it is stored for two or more parents only: a single parent gave the lot's whole quantity.
    struct Kin {
        uint64[PARENTS_MAX] parents;
        uint128[PARENTS_MAX] taken;
        uint64[] children;
    }

    /// @dev All lots and their neighbours.
    struct Graph {
        mapping(uint256 id => Lot) lots;
        mapping(uint256 id => Kin) kin;
    }

    /// @dev Makes `child` the child of `parent` in place `index` of the child's parents.
    function link(Graph storage graph, uint256 parent, uint256 child, uint256 index) internal {
        uint64[] storage children = graph.kin[parent].children;
        require(children.length < CHILDREN_MAX, IPlantCertificate.TooManyChildren(parent, CHILDREN_MAX));
        children.push(uint64(child));
        graph.kin[child].parents[index] = uint64(parent);
    }

    /// @dev Walks `ids` (ascending) and all their ancestors.
    /// @return status Revoked or Suspended if any of them is, the graver first; else None.
    /// @return cause The lowest id with that status; else 0.
    /// @return count How many distinct lots were walked.
    ///
    /// Parents have lower ids than their children. A list that is kept in descending order is
    /// therefore the work queue and the set of visited lots at once: whatever a lot adds comes
    /// behind it, and a lot found twice meets itself.
    function gravest(
        Graph storage graph,
        uint256[] memory ids
    ) internal view returns (Status status, uint256 cause, uint256 count) {
        uint256[] memory queue = new uint256[](ANCESTORS_MAX + 1);
        count = ids.length;
        for (uint256 i = 0; i < count; ++i) {
            queue[i] = ids[count - 1 - i];
        }
        for (uint256 next = 0; next < count; ++next) {
            uint256 id = queue.unsafeMemoryAccess(next);
            Status own = graph.lots[id].status;
            if (own == Status.Revoked || (own == Status.Suspended && status != Status.Revoked)) {
                (status, cause) = (own, id);
            }
            uint64[PARENTS_MAX] storage parents = graph.kin[id].parents;
            for (uint256 i = 0; i < PARENTS_MAX; ++i) {
                uint256 parent = parents[i];
                if (parent == 0) break;
                count = _insert(queue, next + 1, count, parent);
            }
        }
    }

    /// @dev Inserts `id` into `queue[from..count)`, which descends, unless it is there.
    /// @return The new count.
    function _insert(uint256[] memory queue, uint256 from, uint256 count, uint256 id) private pure returns (uint256) {
        uint256 low = from;
        uint256 high = count;
        unchecked {
            // `from <= low <= high <= count <= queue.length` all along.
            while (low < high) {
                uint256 middle = (low + high) >> 1;
                if (queue.unsafeMemoryAccess(middle) > id) low = middle + 1;
                else high = middle;
            }
            if (low < count && queue.unsafeMemoryAccess(low) == id) return count;
            require(count < queue.length, IPlantCertificate.TooManyAncestors(ANCESTORS_MAX));
            // Moves queue[low..count) one place on: `count` is within the array by the line above.
            assembly ("memory-safe") {
                let place := add(add(queue, 0x20), shl(5, low))
                mcopy(add(place, 0x20), place, shl(5, sub(count, low)))
                mstore(place, id)
            }
            return count + 1;
        }
    }
}
