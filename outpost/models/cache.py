"""What was said about a text is not asked again: a conversation that resends its history costs its new text only.

No text is kept: an entry's key is a digest under a key that exists in this process only, so an entry tells nothing to
who finds it and guesses. It covers the pack and every finding that was given with the text, hence whatever of the
policy the answer depends on. The least recently used go first. One event loop uses it.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from outpost.models.results import TextResult
from outpost.protocol.findings import Finding

MAX_FINDINGS: Final = 200
"""A result with more is not kept, so that the memory is bounded by the number of entries."""
_DIGEST_BYTES: Final = 16  # collisions within 2**64 texts; the key keeps them from being made


class SegmentCache:
    """Results by digest."""

    def __init__(self, max_entries: int) -> None:
        self._entries: OrderedDict[bytes, TextResult] = OrderedDict()
        self._max_entries = max_entries
        self._key = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, judge: str, text: str, weak: Sequence[Finding] = ()) -> bytes:
        """Of a text, who judges it (digests of pack and topics), and the weak findings that go with it."""
        digest = hashlib.blake2b(key=self._key, digest_size=_DIGEST_BYTES)
        digest.update(judge.encode())
        for finding in weak:
            digest.update(f"\0{finding.kind}\0{finding.start}\0{finding.end}".encode())
        digest.update(b"\0\0")
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def get(self, key: bytes) -> TextResult | None:
        """What was said, if it is still known."""
        result = self._entries.get(key)
        if result is not None:
            self._entries.move_to_end(key)
        return result

    def put(self, key: bytes, result: TextResult) -> None:
        """Remember what was said."""
        if len(result.findings) > MAX_FINDINGS or not self._max_entries:
            return
        self._entries[key] = result
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
