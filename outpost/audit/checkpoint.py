"""Signed notes and checkpoints of C2SP (signed-note.md, tlog-checkpoint.md) with Ed25519 keys.

A note is signed over its exact text; a checkpoint is a note whose text is origin, tree size and root. A
signature of a known key that does not verify refuses the whole note; signatures of unknown keys are ignored,
so a note may carry more witnesses than a reader knows. Everything here is pure.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from outpost.audit.tree import HASH_BYTES, MAX_SIZE
from outpost.errors import AuditCorrupt

MAX_NOTE_CHARS: Final = 8192  # AuditReceipt.note: the largest note that crosses a boundary
MAX_SIGNATURES: Final = 16  # our own, the control plane's, and room for witnesses
_ED25519: Final = b"\x01"  # signed-note.md, "Signature types"
_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_SIGNATURE_PREFIX: Final = "\N{EM DASH} "  # signed-note.md: U+2014 and a space
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_VKEY: Final = re.compile(r"(?P<name>[^+\s]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SPACE_OR_PLUS: Final = re.compile(r"[\s+]")


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key under its name. Two keys of one name differ in their key id."""

    name: str
    public_key_bytes: bytes
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)
    _key_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public_key_bytes) != _PUBLIC_KEY_BYTES:
            raise AuditCorrupt("not a note key")
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public_key_bytes))
        key_id = hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key_bytes).digest()
        object.__setattr__(self, "_key_id", key_id[:_KEY_ID_BYTES])

    @classmethod
    def from_vkey(cls, vkey: str) -> "NoteVerifier":
        """Parse ``<name>+<hex key id>+<base64 type and key>``.

        Raises:
            AuditCorrupt: If it has another form, another key type or a key id that is not its own.
        """
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise AuditCorrupt("not a verifier key")
        key = _decode_base64(match["key"], "the verifier key is not base64")
        if key[:1] != _ED25519:
            raise AuditCorrupt("the verifier key is not Ed25519")
        verifier = cls(match["name"], key[1:])
        if verifier.key_id.hex() != match["id"]:
            raise AuditCorrupt("the verifier key's id is not its own")
        return verifier

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name, newline, type, key)."""
        return self._key_id

    @property
    def vkey(self) -> str:
        """The text form that ``from_vkey`` reads."""
        return f"{self.name}+{self.key_id.hex()}+{_encode_base64(_ED25519 + self.public_key_bytes)}"

    def is_signature(self, text: str, signature: bytes) -> bool:
        """True if ``signature`` is this key's over exactly ``text``."""
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class NoteSigner:
    """A private key under its name; the name goes into every signature line."""

    __slots__ = ("_key", "name", "verifier")

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Take a key.

        Raises:
            AuditCorrupt: If ``name`` cannot be a key name (empty, or with a space or ``+``).
        """
        self.name = name
        self._key = key
        self.verifier = NoteVerifier(name, key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The verifier key that belongs to this signer."""
        return self.verifier.vkey

    def signature_line(self, text: str) -> str:
        """The signature line over ``text``, with its line end."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{_SIGNATURE_PREFIX}{self.name} {_encode_base64(signature)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line; ``signature`` is without the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed, not yet verified note. ``text`` ends with a line end and is what is signed."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: the tree of the first ``size`` events has this ``root``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text that is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, _encode_base64(self.root), *self.extensions))


def is_key_name(name: str) -> bool:
    """True if ``name`` may name a note key: not empty, no white space, no ``+``, no control characters."""
    return bool(name) and _is_text(name) and _SPACE_OR_PLUS.search(name) is None


def parse_note(note: str) -> Note:
    """Take a note apart without verifying it.

    Raises:
        AuditCorrupt: If it is not a well-formed signed note.
    """
    if len(note) > MAX_NOTE_CHARS or not _is_text(note):
        raise AuditCorrupt("the note is too long or holds control characters")
    head, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise AuditCorrupt("the note has no signature block")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise AuditCorrupt("the note has too many signatures")
    return Note(head + "\n", tuple(_parse_signature(line) for line in lines))


def verify_note(note: str, verifiers: Iterable[NoteVerifier]) -> tuple[str, ...]:
    """The names of the given verifiers whose signature the note carries, in the note's order.

    Raises:
        AuditCorrupt: If the note is malformed, a known key's signature does not verify, or no known key signed.
    """
    parsed = parse_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    names: dict[str, None] = {}
    for line in parsed.signatures:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            continue
        if not verifier.is_signature(parsed.text, line.signature):
            raise AuditCorrupt("a signature on the note does not verify")
        names[line.name] = None
    if not names:
        raise AuditCorrupt("no known key signed the note")
    return tuple(names)


def sign_checkpoint(origin: str, size: int, root: bytes, signer: NoteSigner) -> str:
    """A signed checkpoint.

    Raises:
        AuditCorrupt: If the values cannot stand in a checkpoint.
    """
    if not origin or not _is_text(origin) or "\n" in origin or not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
        raise AuditCorrupt("not the values of a checkpoint")
    text = Checkpoint(origin, size, root).text
    return f"{text}\n{signer.signature_line(text)}"


def parse_checkpoint(note: str) -> Checkpoint:
    """The checkpoint in a note; its signatures are not verified here (``verify_note`` does).

    Raises:
        AuditCorrupt: If the note is malformed or its text is not a checkpoint.
    """
    text = parse_note(note).text
    origin, *rest = text[:-1].split("\n")
    if not origin or len(rest) < 2 or not all(rest):  # noqa: PLR2004 - size and root follow the origin
        raise AuditCorrupt("the note is not a checkpoint")
    size, root_base64, *extensions = rest
    if _SIZE.fullmatch(size) is None or int(size) > MAX_SIZE:
        raise AuditCorrupt("the checkpoint's size is not a tree size")
    root = _decode_base64(root_base64, "the checkpoint's root is not base64")
    if len(root) != HASH_BYTES:
        raise AuditCorrupt("the checkpoint's root is not 32 bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def add_signature(note: str, signer: NoteSigner) -> str:
    """The note with one more signature line; the earlier lines stay as they are.

    Raises:
        AuditCorrupt: If the note is malformed or full.
    """
    parsed = parse_note(note)
    if len(parsed.signatures) >= MAX_SIGNATURES:
        raise AuditCorrupt("the note has too many signatures")
    return note + signer.signature_line(parsed.text)


def _parse_signature(line: str) -> NoteSignature:
    if not line.startswith(_SIGNATURE_PREFIX):
        raise AuditCorrupt("a signature line has another form")
    name, _, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not is_key_name(name):
        raise AuditCorrupt("a signature line has no key name")
    blob = _decode_base64(encoded, "a signature is not base64")
    if len(blob) <= _KEY_ID_BYTES:
        raise AuditCorrupt("a signature is empty")
    return NoteSignature(name, blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:])


def _is_text(text: str) -> bool:
    if _CONTROL.search(text) is not None:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode_base64(text: str, problem: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise AuditCorrupt(problem) from err
    if _encode_base64(data) != text:  # one spelling per value: unused bits must be zero
        raise AuditCorrupt(problem)
    return data
