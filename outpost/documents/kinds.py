"""Kinds of findings for what is no text; ``docs/detectors.md`` describes them."""

from typing import Final

IMAGE: Final = "unscannable.image"
AUDIO: Final = "unscannable.audio"
VIDEO: Final = "unscannable.video"
FILE: Final = "unscannable.file"
ENCRYPTED: Final = "unscannable.encrypted"
TOKENS: Final = "unscannable.tokens"
UNKNOWN_PART: Final = "unscannable.unknown"
