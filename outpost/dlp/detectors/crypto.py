"""Addresses of crypto currencies; all but Solana's carry a checksum.

Base58Check (Bitcoin wiki), Bech32 and Bech32m (BIP 173, BIP 350), Ethereum's mixed case (EIP-55, over Keccak-256, which
is SHA-3 before its padding changed, so hashlib has none), XRP Ledger's alphabet ("Base58 encodings").
"""

import hashlib

from outpost.dlp.detector import Detector

_BITCOIN = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANTS = (1, 0x2BC830A3)  # Bech32, Bech32m
_CHECKSUM_CHARS = 6


def _base58(text: str, alphabet: str) -> bytes:
    number = 0
    for sign in text:
        number = number * 58 + alphabet.index(sign)
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _checked(text: str, alphabet: str = _BITCOIN) -> bool:
    raw = _base58(text, alphabet)
    digest = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    return len(raw) == 25 and raw[-4:] == digest[:4]  # noqa: PLR2004 - version, 20 bytes of hash, checksum


def valid_base58check(address: str) -> bool:
    """Version, hash of 20 bytes, and the first four bytes of their double SHA-256."""
    return _checked(address)


def valid_ripple(address: str) -> bool:
    """As Bitcoin's, in another alphabet."""
    return _checked(address, _RIPPLE)


def valid_bech32(address: str) -> bool:
    """One letter case, and a BCH code over prefix and data."""
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.index(c) for c in data]
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> i & 1 else 0
    return len(data) > _CHECKSUM_CHARS and checksum in _BECH32_CONSTANTS


def valid_solana(address: str) -> bool:
    """32 bytes, the size of an Ed25519 key; not digits or letters only."""
    return len(_base58(address, _BITCOIN)) == 32 and not address.isalpha() and not address.isdigit()  # noqa: PLR2004


_LANES = tuple((x, y) for x in range(5) for y in range(5))
_MASK = (1 << 64) - 1


def _rotations() -> dict[tuple[int, int], int]:
    x, y, table = 1, 0, {(0, 0): 0}
    for t in range(24):
        table[x, y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return table


def _round_constants() -> tuple[int, ...]:
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


_ROTATIONS, _ROUNDS = _rotations(), _round_constants()


def _rotated(value: int, count: int) -> int:
    return (value << count | value >> (64 - count)) & _MASK


def keccak256(message: bytes) -> bytes:
    """Keccak-256 of at most 135 bytes (one block; an address has 40)."""
    block = (message + b"\x01").ljust(136, b"\0")
    block = block[:-1] + bytes([block[-1] | 0x80])
    lanes = dict.fromkeys(_LANES, 0)
    for i in range(17):
        lanes[i % 5, i // 5] = int.from_bytes(block[8 * i : 8 * i + 8], "little")
    for constant in _ROUNDS:
        parity = [lanes[x, 0] ^ lanes[x, 1] ^ lanes[x, 2] ^ lanes[x, 3] ^ lanes[x, 4] for x in range(5)]
        mixed = [parity[x - 1] ^ _rotated(parity[(x + 1) % 5], 1) for x in range(5)]
        moved = {(y, (2 * x + 3 * y) % 5): _rotated(lanes[x, y] ^ mixed[x], _ROTATIONS[x, y]) for x, y in _LANES}
        lanes = {(x, y): moved[x, y] ^ (~moved[(x + 1) % 5, y] & moved[(x + 2) % 5, y] & _MASK) for x, y in _LANES}
        lanes[0, 0] ^= constant
    return b"".join(lanes[i, 0].to_bytes(8, "little") for i in range(4))


def valid_ethereum(address: str) -> bool:
    """All of one case, or capitals where the hash of the small letters says so; not one digit over and over."""
    digits = address[2:]
    if len(set(digits.lower())) < 5:  # noqa: PLR2004 - the null address and other markers
        return False
    if digits in (digits.lower(), digits.upper()):
        return True
    digest = keccak256(digits.lower().encode()).hex()
    return all(c.isdigit() or c.isupper() == (int(d, 16) > 7) for c, d in zip(digits, digest, strict=False))  # noqa: PLR2004


_B58 = "[1-9A-HJ-NP-Za-km-z]"
_DATA = "[02-9ac-hj-np-z]"
_WORDS = ("wallet", "address", "ethereum", "eth ", "erc20", "erc-20", "send to", "recipient", "metamask")

DETECTORS = (
    Detector(
        name="bitcoin/base58check",
        kind="fin.crypto_wallet",
        pattern=rf"\b[13]{_B58}{{25,34}}\b",
        validate=valid_base58check,
        base_score=0.98,
    ),
    Detector(
        name="other-coins/base58check",  # Litecoin, Dogecoin, Tron, Dash
        kind="fin.crypto_wallet",
        pattern=rf"\b[LMDTX]{_B58}{{32,33}}\b",
        validate=valid_base58check,
        base_score=0.98,
    ),
    Detector(
        name="ripple/base58check",
        kind="fin.crypto_wallet",
        pattern=rf"\br{_B58}{{24,34}}\b",
        validate=valid_ripple,
        base_score=0.98,
    ),
    Detector(
        name="segwit/bech32",  # Bitcoin, Litecoin, Cardano
        kind="fin.crypto_wallet",
        pattern=rf"\b(?:(?:bc|ltc|addr)1{_DATA}{{11,98}}|(?:BC|LTC|ADDR)1[02-9AC-HJ-NP-Z]{{11,98}})\b",
        trigger=r"(?:bc|ltc|addr|BC|LTC|ADDR)1",
        validate=valid_bech32,
        base_score=0.98,
    ),
    Detector(
        name="ethereum/eip55",
        kind="fin.crypto_wallet",
        pattern=r"\b0x[0-9A-Fa-f]{40}\b",
        trigger="0x",
        validate=valid_ethereum,
        base_score=0.8,  # forty hexadecimal digits with 0x may also be another hash of 160 bits
        context_words=_WORDS,
        context_score=0.97,
    ),
    Detector(
        name="solana/base58",
        kind="fin.crypto_wallet",
        pattern=rf"\b{_B58}{{32,44}}\b",
        validate=valid_solana,
        base_score=0.1,  # any key or hash of 32 bytes is written so
        context_words=("solana", "sol ", "spl token", "phantom"),
        context_score=0.85,
    ),
)
