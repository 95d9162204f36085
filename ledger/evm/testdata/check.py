"""Applies the blocks of chain.json with Ethereum's executable specification (EELS).

    python3 -m venv venv && venv/bin/pip install ethereum-execution==2.20.0
    venv/bin/python check.py chain.json

EELS raises InvalidBlock when a header, a root or the gas of a block is not what it finds itself.
"""

import json
import sys

from ethereum.crypto.hash import keccak256
from ethereum.forks.bpo2.blocks import Block, Header
from ethereum.forks.bpo2.bloom import logs_bloom
from ethereum.forks.bpo2.fork import BlockChain, EMPTY_OMMER_HASH, state_transition
from ethereum.forks.bpo2.fork_types import Account, Address
from ethereum.forks.bpo2.requests import compute_requests_hash
from ethereum.forks.bpo2.state import State, set_account, set_storage, state_root
from ethereum.forks.bpo2.trie import Trie, root
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes8, Bytes32
from ethereum_types.numeric import U64, U256, Uint


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def number(value):
    return value if isinstance(value, int) else int(value, 16)


def genesis_state(genesis):
    state = State()
    for address, account in genesis["alloc"].items():
        address = Address(raw(address))
        set_account(
            state,
            address,
            Account(
                nonce=Uint(number(account.get("nonce", 0))),
                balance=U256(number(account["balance"])),
                code=Bytes(raw(account.get("code", "0x"))),
            ),
        )
        for slot, value in account.get("storage", {}).items():
            set_storage(state, address, Bytes32(raw(slot)), U256(number(value)))
    return state


def genesis_header(genesis, state):
    empty = root(Trie(secured=False, default=None))
    return Header(
        parent_hash=Bytes32(bytes(32)),
        ommers_hash=EMPTY_OMMER_HASH,
        coinbase=Address(raw(genesis["coinbase"])),
        state_root=state_root(state),
        transactions_root=empty,
        receipt_root=empty,
        bloom=logs_bloom(()),
        difficulty=Uint(number(genesis["difficulty"])),
        number=Uint(0),
        gas_limit=Uint(number(genesis["gasLimit"])),
        gas_used=Uint(0),
        timestamp=U256(number(genesis["timestamp"])),
        extra_data=Bytes(raw(genesis["extraData"])),
        prev_randao=Bytes32(raw(genesis["mixHash"])),
        nonce=Bytes8(number(genesis["nonce"]).to_bytes(8, "big")),
        base_fee_per_gas=Uint(1_000_000_000),
        withdrawals_root=empty,
        blob_gas_used=U64(0),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Bytes32(bytes(32)),
        requests_hash=compute_requests_hash([]),
    )


def main(path):
    with open(path) as file:
        stored = json.load(file)
    genesis = stored["genesis"]
    state = genesis_state(genesis)
    first = Block(header=genesis_header(genesis, state), transactions=(), ommers=(), withdrawals=())
    chain = BlockChain(blocks=[first], state=state, chain_id=U64(genesis["config"]["chainId"]))
    for text in stored["blocks"]:
        block = rlp.decode_to(Block, raw(text))
        state_transition(chain, block)
        header = block.header
        print(
            f"block {header.number}: {len(block.transactions)} transactions, "
            f"{header.gas_used} gas, state root 0x{header.state_root.hex()}, "
            f"hash 0x{keccak256(rlp.encode(header)).hex()}"
        )
    print(f"{len(stored['blocks'])} blocks are valid")


if __name__ == "__main__":
    main(sys.argv[1])
