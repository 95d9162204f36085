// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @notice Where a model stands: Proposed → Active → Retired, or Proposed → Retired.
enum ModelStatus {
    None,
    Proposed,
    Active,
    Retired
}

/// @notice What is known of a model.
/// @param status Where it stands.
/// @param registeredBlock Block of its registration.
/// @param cardHash SHA-256 of its model card.
/// @param uri Where its files can be found.
struct Model {
    ModelStatus status;
    uint64 registeredBlock;
    bytes32 cardHash;
    string uri;
}

/// @title The models whose recognitions the network stands by
/// @notice A model's id is the BLAKE3 hash of its configuration and tensors: the same 32 bytes
/// stand in every recognition.
contract ModelRegistry is AccessManaged {
    /// @notice Bytes that a model's URI may have.
    uint256 public constant URI_BYTES_MAX = 512;

    mapping(bytes32 modelId => Model) private _models;

    /// @notice A model was proposed.
    event Registered(bytes32 indexed modelId, string uri, bytes32 cardHash);

    /// @notice A model's status changed.
    event ModelStatusChanged(bytes32 indexed modelId, ModelStatus status);

    /// @notice The model's id, or the hash of its card, is zero.
    error NamelessModel(bytes32 modelId, bytes32 cardHash);

    /// @notice The URI has `length` bytes; 1 to `max` are allowed.
    error UriLength(uint256 length, uint256 max);

    /// @notice The model's `status` does not allow this.
    error WrongModelStatus(bytes32 modelId, ModelStatus status);

    /// @param accessManager Decides who registers, activates and retires.
    constructor(address accessManager) AccessManaged(accessManager) {}

    /// @notice Proposes a model. Restricted by the access manager. An id is registered once.
    /// @param modelId BLAKE3 of the model's configuration and tensors, not zero.
    /// @param uri Where its files can be found, 1 to `URI_BYTES_MAX` bytes.
    /// @param cardHash SHA-256 of its model card, not zero.
    function register(bytes32 modelId, string calldata uri, bytes32 cardHash) external restricted {
        require(modelId != 0 && cardHash != 0, NamelessModel(modelId, cardHash));
        uint256 length = bytes(uri).length;
        require(length != 0 && length <= URI_BYTES_MAX, UriLength(length, URI_BYTES_MAX));
        _require(modelId, _models[modelId].status == ModelStatus.None);
        _models[modelId] = Model({
            status: ModelStatus.Proposed,
            registeredBlock: uint64(block.number),
            cardHash: cardHash,
            uri: uri
        });
        emit Registered(modelId, uri, cardHash);
    }

    /// @notice Puts a proposed model into use. Restricted by the access manager.
    function activate(bytes32 modelId) external restricted {
        _require(modelId, _models[modelId].status == ModelStatus.Proposed);
        _setStatus(modelId, ModelStatus.Active);
    }

    /// @notice Takes a proposed or active model out of use for good. Restricted by the access manager.
    function retire(bytes32 modelId) external restricted {
        ModelStatus status = _models[modelId].status;
        _require(modelId, status == ModelStatus.Proposed || status == ModelStatus.Active);
        _setStatus(modelId, ModelStatus.Retired);
    }

    /// @notice What is known of a model; status None for an unknown id.
    function model(bytes32 modelId) external view returns (Model memory) {
        return _models[modelId];
    }

    function _require(bytes32 modelId, bool allowed) private view {
        require(allowed, WrongModelStatus(modelId, _models[modelId].status));
    }

    function _setStatus(bytes32 modelId, ModelStatus status) private {
        _models[modelId].status = status;
        emit ModelStatusChanged(modelId, status);
    }
}
