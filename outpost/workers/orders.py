"""What a worker is told, as JSON: what it is born with, and what is enforced. Pure.

It comes from the parent over an inherited socket: no secret stands on a command line, in a variable or in a file.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

from outpost.cache.bundles import StoredBundle
from outpost.models.frames import Message

NOT_FOR_WORKERS: Final = frozenset(
    {"enrolment_token", "enrolment_token_file", "provider_keys", "provider_key_files", "list_key_files"}
)
"""Settings that a worker has no use for: whose content is a secret, or names one."""


class OrderInvalid(ValueError):
    """What came is no order. Quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Birth:
    """The command line of a worker: file descriptors that it inherits, and its place.

    Attributes:
        control: Of questions and answers.
        audit: Of events.
        models: Of texts for the models.
        memory: Of ``Slots``.
        listeners: On which clients come.
        index: Its slot.
        slots: How many there are.
    """

    control: int
    audit: int
    models: int
    memory: int
    listeners: tuple[int, ...]
    index: int
    slots: int

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Birth":
        """What ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**{**values, "listeners": tuple(values["listeners"])})


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker needs before it can enforce anything; ``repr`` shows no secret.

    Attributes:
        version: Of the program that starts it; another one is not to be mixed with.
        settings: Of the outpost, as JSON, without ``NOT_FOR_WORKERS``.
        local_keys: Of providers, by id.
        list_keys: Local ones, by id.
        tuf_root: Which policy it believes.
        redaction_key: Of hashes while the org has no pepper: the same in every worker.
    """

    version: str
    settings: Mapping[str, Any]
    local_keys: Mapping[str, str]
    list_keys: Mapping[str, bytes]
    tuf_root: bytes
    redaction_key: bytes

    def __repr__(self) -> str:
        return f"Start(version={self.version!r})"

    def to_json(self) -> Message:
        """As a message."""
        return {
            "version": self.version,
            "settings": dict(self.settings),
            "local_keys": dict(self.local_keys),
            "list_keys": _texts(self.list_keys),
            "tuf_root": _text(self.tuf_root),
            "redaction_key": _text(self.redaction_key),
        }

    @classmethod
    def from_json(cls, message: Message) -> "Start":
        """What ``to_json`` wrote.

        Raises:
            OrderInvalid: It did not.
        """
        try:
            return cls(
                str(message["version"]),
                dict(message["settings"]),
                {str(name): str(key) for name, key in message["local_keys"].items()},
                _all_bytes(message["list_keys"]),
                _bytes(message["tuf_root"]),
                _bytes(message["redaction_key"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise OrderInvalid("what a worker is born with is malformed") from err


@dataclass(frozen=True, slots=True)
class Enforced:
    """What is enforced now; ``repr`` shows no secret."""

    bundle: StoredBundle | None
    secrets: Mapping[str, str] | None
    revoked: bool

    def __repr__(self) -> str:
        return f"Enforced(revoked={self.revoked})"


def bundle_to_json(bundle: StoredBundle) -> Message:
    """A bundle in a message, every part as received."""
    return {
        "roots": [_text(root) for root in bundle.roots],
        "timestamp": _text(bundle.timestamp),
        "snapshot": _text(bundle.snapshot),
        "targets": _text(bundle.targets),
        "documents": _texts(bundle.documents),
        "delegated": _texts(bundle.delegated),
    }


def bundle_from_json(message: Any) -> StoredBundle:
    """The bundle that ``bundle_to_json`` wrote.

    Raises:
        OrderInvalid: It is none.
    """
    try:
        return StoredBundle(
            roots=tuple(_bytes(root) for root in message["roots"]),
            timestamp=_bytes(message["timestamp"]),
            snapshot=_bytes(message["snapshot"]),
            targets=_bytes(message["targets"]),
            documents=MappingProxyType(_all_bytes(message["documents"])),
            delegated=MappingProxyType(_all_bytes(message["delegated"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise OrderInvalid("a bundle is malformed") from err


def secrets_from_json(message: Any) -> dict[str, str]:
    """Opened secrets by name.

    Raises:
        OrderInvalid: They are none.
    """
    if not isinstance(message, dict) or not all(isinstance(value, str) for value in message.values()):
        raise OrderInvalid("secrets are malformed")
    return message


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _texts(parts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: _text(part) for name, part in parts.items()}


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as err:
        raise ValueError("not base64") from err


def _all_bytes(parts: Any) -> dict[str, bytes]:
    return {str(name): _bytes(part) for name, part in parts.items()}
