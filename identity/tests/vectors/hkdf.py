"""Prints the HKDF test vectors in hkdf.txt.

Independent of the program: RFC 5869 written out over Python's `hmac`, checked
against the RFC's own first test case and against OpenSSL's `kdf`.
"""

import hashlib
import hmac
import subprocess

SALT = b"phytomer/root/1"
LABELS = [
    "phytomer/issuer/ed25519/1",
    "phytomer/ledger/secp256k1/1",
    "phytomer/operator/ed25519/1",
    "phytomer/operator/ml-dsa-65/1",
    "phytomer/peer/ed25519/1",
]


def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    key = hmac.new(salt, secret, hashlib.sha256).digest()
    output, block, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha256).digest()
        output, counter = output + block, counter + 1
    return output[:length]


def openssl(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    command = ["openssl", "kdf", "-keylen", str(length), "-kdfopt", "digest:SHA256"]
    for name, value in (("hexsalt", salt), ("hexkey", secret), ("hexinfo", info)):
        command += ["-kdfopt", f"{name}:{value.hex()}"]
    text = subprocess.run([*command, "HKDF"], check=True, capture_output=True, text=True).stdout
    return bytes.fromhex(text.replace(":", "").strip())


# RFC 5869, appendix A.1.
assert hkdf(bytes(range(13)), b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42).hex() == (
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
)

print("# root byte (32 of them), label, HKDF-SHA256 output; see hkdf.py")
for byte in (0x07, 0xFE):
    for label in LABELS:
        root = bytes([byte]) * 32
        key = hkdf(SALT, root, label.encode(), 32)
        assert key == openssl(SALT, root, label.encode(), 32)
        print(f"{byte:02x} {label} {key.hex()}")
