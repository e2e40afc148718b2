"""Text to tokens with their places in the text as received; the only importer of ``tokenizers``.

Offsets count code points. A token covers no blank at its ends, whatever the tokeniser says. Special tokens are added
per window rather than per text, and never for what a text spells out.
"""

from dataclasses import dataclass
from typing import Final

from tokenizers import Encoding, Tokenizer

from outpost.errors import PackInvalid

_PADDING_NAMES: Final = ("[PAD]", "<pad>", "<|pad|>")
_PROBE: Final = "a"  # some text: post-processors put their special tokens around it


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text. ``offsets[i]`` is ``(start, end)`` of token ``i``; equal ends mean that it covers nothing."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class TextTokenizer:
    """A tokeniser of a pack. ``before`` and ``after`` are the special tokens of a window, ``pad_id`` fills batches."""

    def __init__(self, content: bytes) -> None:
        """Read ``tokenizer.json``.

        Raises:
            PackInvalid: It is none.
        """
        try:
            self._tokenizer = Tokenizer.from_buffer(content)
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            # A text that says "[SEP]" means these letters, not the end of the text.
            self._tokenizer.encode_special_tokens = True
            probe = self._tokenizer.encode(_PROBE)
        except Exception as err:  # the library raises nothing narrower for a model that lacks a token
            raise PackInvalid("tokenizer.json: not a tokeniser") from err
        special, ids = probe.special_tokens_mask, probe.ids
        first = next((index for index, mask in enumerate(special) if not mask), len(special))
        last = next((index for index, mask in enumerate(reversed(special)) if not mask), 0)
        self.before = ids[:first]
        self.after = ids[len(ids) - last :] if last else []
        padding = (self._tokenizer.token_to_id(name) for name in _PADDING_NAMES)
        self.pad_id = next((pad_id for pad_id in padding if pad_id is not None), 0)

    @property
    def vocabulary_size(self) -> int:
        """Ids are below it."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> Tokens:
        """The tokens of ``text``, without special ones. ``text`` has no lone surrogates."""
        encoding: Encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Tokens(encoding.ids, [_trimmed(text, start, end) for start, end in encoding.offsets])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    # SentencePiece counts the blank before a word to it; some byte-level tokenisers one after it.
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
