"""Texts that tier 1 has scanned, and what it found: a conversation that sends its history again costs its new text.

Design §6. Scanning is a pure function of the text, so what is remembered is what a new scan would say; a memory belongs
to one scanner and is gone with it. No text is kept: an entry's key is a digest under a key that this memory alone has,
so an entry tells nothing to who finds it, and nobody can make two texts that share one. What could not be inspected is
never remembered. Threads may share it.
"""

import hashlib
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from outpost.errors import CouldNotInspect
from outpost.protocol.findings import Finding
from outpost.proxy.segments import SEPARATOR, Scanner

MAX_REMEMBERED: Final = 32_768
"""Texts and findings together: 400 conversations of 40 messages each at least, in at most 8 MiB (250 bytes each)."""
MAX_FINDINGS: Final = 200
"""A text with more is scanned again: it is a list of data rather than a message, and would push out many others."""
GROUP_CHARS: Final = 65_536
"""Texts that are scanned as one: so many that starting a scan (12 µs) is lost in it (12 µs per 1,000 characters)."""
_DIGEST_BYTES: Final = 16  # collisions within 2**64 texts; the key keeps them from being made

Found = Sequence[Finding]


class SeenTexts:
    """A scanner that remembers."""

    def __init__(self, scanner: Scanner, max_remembered: int = MAX_REMEMBERED) -> None:
        self._scanner = scanner
        self._max_young = max_remembered // 2
        self._key = secrets.token_bytes(32)
        # What was not asked for while the young half filled up goes with the old half.
        self._young: dict[bytes, Found] = {}
        self._old: Mapping[bytes, Found] = {}
        self._young_size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def scan_each(self, texts: Sequence[str]) -> list[Found]:
        """What ``scanner.scan`` says of each of ``texts``, each by itself.

        Raises:
            CouldNotInspect: As it, for one of them.
        """
        keys = [self._digest(text) for text in texts]
        found = self._recalled(keys)
        missing = {keys[at]: texts[at] for at, known in enumerate(found) if known is None}
        new = dict(zip(missing, self._scanned([*missing.values()]), strict=True))
        self._remember(new)
        return [new[key] if known is None else known for key, known in zip(keys, found, strict=True)]

    def _digest(self, text: str) -> bytes:
        said = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(said, key=self._key, digest_size=_DIGEST_BYTES).digest()

    def _recalled(self, keys: Sequence[bytes]) -> list[Found | None]:
        found: list[Found | None] = [*map(self._young.get, keys)]
        if None not in found:
            return found
        again = {}
        for at, key in enumerate(keys):
            if found[at] is None and (known := self._old.get(key)) is not None:
                found[at] = again[key] = known
        self._remember(again)
        return found

    def _remember(self, new: Mapping[bytes, Found]) -> None:
        with self._lock:
            for key, found in new.items():
                size = 1 + len(found)
                if len(found) > MAX_FINDINGS or size > self._max_young or key in self._young:
                    continue
                if self._young_size + size > self._max_young:
                    self._old, self._young, self._young_size = self._young, {}, 0
                self._young[key] = found
                self._young_size += size

    def _scanned(self, texts: Sequence[str]) -> Iterator[Found]:
        """Most texts hold nothing, and one scan of several costs less than a scan of each."""
        for group in _groups(texts):
            if len(group) > 1 and self._is_clean(SEPARATOR.join(group)):
                yield from ((),) * len(group)
            else:
                yield from (tuple(self._scanner.scan(text)) for text in group)

    def _is_clean(self, text: str) -> bool:
        """Whether nothing is in texts that are joined by separators: what one holds by itself it also holds there."""
        try:
            return not self._scanner.scan(text)
        except CouldNotInspect:
            return False  # which of them it is says the scan of each


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for text in texts:
        if group and size + len(text) > GROUP_CHARS:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group
