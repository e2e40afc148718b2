"""Authorities' keys whose passphrase exists only in shares that people hold (Shamir, ``pki.shares``).

``data_dir/ca/seal.json`` says so: which set of shares, how many there are, how many open it. Nothing in it is secret.
The passphrase itself is made here, split, and kept nowhere; shares that are given are held in memory only, until the
threshold is reached or they are dropped. This file decides; ``unsealing`` asks people.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from control_plane.errors import InvalidRequest, KeysUnsafe, ShareRefused
from pki.errors import SharesInvalid
from pki.files import write_public
from pki.shares import MAX_SHARES, Share, combine, parse_share, split

SEAL_FILE: Final = "seal.json"
_SOCKET_FILE: Final = "seal.sock"
_SOCKET_PATH_BYTES: Final = 107  # sun_path of unix(7), without its ending zero
_VERSION: Final = 1
_PASSPHRASE_BYTES: Final = 16  # 128 bits behind scrypt; short, because people type its shares
_MAX_FILE_BYTES: Final = 4096  # ours has about 80


@dataclass(frozen=True, slots=True)
class Seal:
    """``threshold`` of ``shares`` shares of the set ``set_id`` (hexadecimal) open the authorities' keys."""

    set_id: str
    shares: int
    threshold: int

    @property
    def described(self) -> str:
        """For people."""
        return f"sealed: {self.threshold} of {self.shares} shares open it"


@dataclass(frozen=True, slots=True)
class NewSeal:
    """A seal and what it was made from; nothing else ever has the passphrase or the shares."""

    seal: Seal
    passphrase: bytes = field(repr=False)
    shares: tuple[str, ...] = field(repr=False)


def make_seal(shares: int, threshold: int, random_bytes: Callable[[int], bytes]) -> NewSeal:
    """A new random passphrase in shares.

    Raises:
        ValueError: There must be 2 <= threshold <= shares <= 255.
    """
    passphrase = base64.b32encode(random_bytes(_PASSPHRASE_BYTES)).rstrip(b"=").lower()
    made = split(passphrase, shares, threshold, random_bytes)
    seal = Seal(made[0].set_id.hex(), shares, threshold)
    return NewSeal(seal, passphrase, tuple(share.text for share in made))


def socket_path(data_dir: Path) -> Path:
    """Where people give their shares to a control plane that runs.

    Raises:
        InvalidRequest: No socket can have so long a name.
    """
    path = data_dir / _SOCKET_FILE
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise InvalidRequest(f"{path}: longer than the {_SOCKET_PATH_BYTES} bytes of a socket; choose another data_dir")
    return path


def write_seal(folder: Path, seal: Seal) -> None:
    """Mark the key files in ``folder`` as sealed."""
    values = {"version": _VERSION, "set": seal.set_id, "shares": seal.shares, "threshold": seal.threshold}
    write_public(folder / SEAL_FILE, json.dumps(values).encode() + b"\n")


def read_seal(folder: Path) -> Seal | None:
    """The seal of the key files in ``folder``; None if they have none.

    Raises:
        KeysUnsafe: The mark is there and cannot be read.
    """
    path = folder / SEAL_FILE
    try:
        with path.open("rb") as file:
            return parse_seal(file.read(_MAX_FILE_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise KeysUnsafe(f"{path}: cannot be read; restore it from a backup") from err


def parse_seal(content: bytes) -> Seal:
    """The seal that ``write_seal`` wrote.

    Raises:
        ValueError: It is none.
    """
    try:
        values = json.loads(content)
    except RecursionError as err:
        raise ValueError("nested too deeply") from err
    if not isinstance(values, dict) or values.keys() != {"version", "set", "shares", "threshold"}:
        raise ValueError("not a seal")
    set_id, numbers = values["set"], [values[name] for name in ("version", "threshold", "shares")]
    if not isinstance(set_id, str) or any(type(number) is not int for number in numbers):
        raise ValueError("not a seal")
    version, threshold, shares = numbers
    if version != _VERSION or not 1 < threshold <= shares <= MAX_SHARES:
        raise ValueError("not a seal of this version")
    return Seal(bytes.fromhex(set_id).hex(), shares, threshold)


class Unsealing:
    """The shares given so far. Not for several threads."""

    def __init__(self, seal: Seal) -> None:
        self.seal = seal
        self._given: dict[int, Share] = {}

    @property
    def given(self) -> int:
        """How many shares are there."""
        return len(self._given)

    @property
    def progress(self) -> str:
        """For people."""
        return f"sealed: {self.given} of {self.seal.threshold} shares given"

    def give(self, text: str) -> bytes | None:
        """Take one share; the passphrase once there are enough, which also drops them all.

        Raises:
            ShareRefused: It is mistyped, of another set, or there already, and changed nothing; or the shares together
                are of no secret, and all were dropped.
        """
        try:
            share = parse_share(text)
        except SharesInvalid as err:
            raise ShareRefused(f"{err}; nothing was changed, {self.progress}") from err
        if (share.set_id.hex(), share.threshold) != (self.seal.set_id, self.seal.threshold):
            raise ShareRefused(f"this share is not of this installation; nothing was changed, {self.progress}")
        if self._given.get(share.index) == share:
            raise ShareRefused(f"share {share.index} was given already; another person's is needed, {self.progress}")
        if share.index in self._given:
            self.reset()
            raise ShareRefused(f"two shares with the number {share.index} differ: one is forged. All were dropped")
        self._given[share.index] = share
        if self.given < self.seal.threshold:
            return None
        together = tuple(self._given.values())
        self.reset()
        try:
            return combine(together)
        except SharesInvalid as err:
            raise ShareRefused(f"{err}. All were dropped, begin again") from err

    def reset(self) -> None:
        """Drop what was given."""
        self._given.clear()
