"""Virtual keys: made here, shown once, known afterwards only by prefix and digest (design §3).

``sk-op-<env>-<43 base62 characters>`` holds 256 bits; the digest is HMAC-SHA256 under the org's pepper, so a
stolen database finds no key without the pepper, which is stored encrypted and leaves only sealed to an outpost.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from control_plane.errors import InvalidRequest, NotFound
from outpost.protocol.documents import KeysDocument, VirtualKeyDigest

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 43  # 43 · log2(62) = 256.03 bits
_PREFIX_LENGTH = 8  # of those, by which a key is looked up (outpost.protocol.documents.VirtualKeyDigest.prefix)
_REJECT_FROM = 256 - 256 % len(_BASE62)  # rejection sampling keeps every character equally likely
_ENVIRONMENT = re.compile(r"[a-z0-9]{1,16}")
PEPPER_BYTES = 32  # HMAC-SHA256 gains nothing from a longer key (RFC 2104 §3)


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """What the store holds of one virtual key."""

    id: str
    org_id: str
    name: str
    prefix: str
    pepper_id: str
    digest: str
    group: str
    created_at: datetime
    allowed_models: tuple[str, ...] = ("*",)
    allowed_networks: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a person asks for when creating a key."""

    name: str
    group: str = "default"
    env: str = "live"
    allowed_models: tuple[str, ...] = ("*",)
    allowed_networks: tuple[str, ...] | None = None
    expires_at: datetime | None = None


class KeyStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def add_key(self, key: VirtualKey) -> None:
        """Store a new key."""
        ...

    def keys(self, org_id: str) -> list[VirtualKey]:
        """All keys of the org, oldest first, revoked ones too."""
        ...

    def revoke_key(self, org_id: str, key_id: str, at: datetime) -> bool:
        """Mark a key revoked; False if the org has no such unrevoked key."""
        ...


def new_key_text(env: str, random_bytes: Callable[[int], bytes]) -> str:
    """A fresh virtual key.

    Raises:
        InvalidRequest: ``env`` is not 1-16 characters of a-z and 0-9.
    """
    if not _ENVIRONMENT.fullmatch(env):
        raise InvalidRequest("the key's environment must be 1-16 characters of a-z and 0-9")
    characters: list[str] = []
    while len(characters) < _RANDOM_LENGTH:
        usable = (byte for byte in random_bytes(_RANDOM_LENGTH) if byte < _REJECT_FROM)
        characters.extend(_BASE62[byte % len(_BASE62)] for byte in usable)
    return f"sk-op-{env}-{''.join(characters[:_RANDOM_LENGTH])}"


def key_prefix(text: str) -> str:
    """The part of a key by which it is looked up."""
    return text[: -(_RANDOM_LENGTH - _PREFIX_LENGTH)]


def key_digest(pepper: bytes, text: str) -> str:
    """Hex HMAC-SHA256 of the whole key under ``pepper``."""
    return hmac.digest(pepper, text.encode(), "sha256").hex()


def create_key(  # noqa: PLR0913 - a key, its org, its pepper, time and chance
    store: KeyStore,
    org_id: str,
    request: KeyRequest,
    *,
    pepper_id: str,
    pepper: bytes,
    at: datetime,
    random_bytes: Callable[[int], bytes],
) -> tuple[VirtualKey, str]:
    """Store a new key and return it with its plaintext, which is shown once and kept nowhere.

    Raises:
        InvalidRequest: The request does not make a valid entry of ``keys.json``.
    """
    text = new_key_text(request.env, random_bytes)
    key = VirtualKey(
        id=f"key-{random_bytes(8).hex()}",
        org_id=org_id,
        name=request.name,
        prefix=key_prefix(text),
        pepper_id=pepper_id,
        digest=key_digest(pepper, text),
        group=request.group,
        created_at=at,
        allowed_models=request.allowed_models,
        allowed_networks=request.allowed_networks,
        expires_at=request.expires_at,
    )
    try:
        _entry(key)
    except ValueError as err:
        raise InvalidRequest(f"the key's settings are not valid: {_first_problem(err)}") from err
    store.add_key(key)
    return key, text


def revoke_key(store: KeyStore, org_id: str, key_id: str, at: datetime) -> None:
    """Revoke a key; outposts learn it with the next bundle.

    Raises:
        NotFound: The org has no such unrevoked key.
    """
    if not store.revoke_key(org_id, key_id, at):
        raise NotFound(f"org {org_id} has no active key {key_id}; see `control-plane key list`")


def keys_document(keys: Iterable[VirtualKey]) -> bytes:
    """``keys.json`` of every key that is not revoked; the expired stay in it so that they are told apart."""
    entries = [_entry(key) for key in keys if key.revoked_at is None]
    document = KeysDocument(schema_version="1", keys=entries)
    return document.model_dump_json(exclude_none=True).encode()


def _entry(key: VirtualKey) -> VirtualKeyDigest:
    return VirtualKeyDigest(
        id=key.id,
        prefix=key.prefix,
        pepper_id=key.pepper_id,
        digest=key.digest,
        group=key.group,
        allowed_models=list(key.allowed_models),
        allowed_networks=_as_list(key.allowed_networks),
        expires_at=key.expires_at,
    )


def _as_list(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _first_problem(err: ValueError) -> str:
    lines = [line.strip() for line in str(err).splitlines()]
    return f"{lines[1]}: {lines[2].partition(' [')[0]}" if len(lines) > 2 else lines[0]  # noqa: PLR2004 - pydantic's layout
