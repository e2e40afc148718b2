"""Text to tokens with their places in the text as received; the only importer of ``tokenizers``.

Offsets count code points. A token covers no blank at its ends, whatever the tokeniser says. Special tokens are added
per window rather than per text, and never for what a text spells out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Encoding, Tokenizer

from outpost.errors import PackInvalid

_PADDING_NAMES: Final = ("[PAD]", "<pad>", "<|pad|>")
_PROBE: Final = "a"  # some text: post-processors put their special tokens around it
# What reads characters by themselves, or with the marks that follow them.
_LOCAL_NORMALISERS: Final = frozenset(
    {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Sequence"}
)
# What parts words at blanks and marks, whatever is around them.
_LOCAL_SPLITTERS: Final = frozenset({"BertPreTokenizer", "Whitespace", "WhitespaceSplit"})
# What reads each of those words by itself. (BPE may draw lots, and Unigram may be given more than one word.)
_LOCAL_MODELS: Final = frozenset({"WordPiece", "WordLevel"})
_OPEN_WORDS: Final = 2  # the last can go on; a mark that follows its last character can join it to the one before


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
        self.is_local = _is_local(json.loads(content))
        """Text that follows changes the last two words only, so that a text can be read as it grows."""
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

    def encode_open(self, text: str) -> tuple[Tokens, int]:
        """The tokens of a text that goes on, as far as nothing that follows changes them, and where to read on.

        Only for a tokeniser that ``is_local``. What ``encode`` makes of the text from there on follows these tokens.
        """
        encoding: Encoding = self._tokenizer.encode(text, add_special_tokens=False)
        words = [word for word in encoding.word_ids if word is not None]  # all have one: none is special
        first_open = max(words[-1] + 1 - _OPEN_WORDS, 0) if words else 0
        count = next((index for index, word in enumerate(words) if word >= first_open), 0)
        offsets = [_trimmed(text, start, end) for start, end in encoding.offsets[:count]]
        return Tokens(encoding.ids[:count], offsets), encoding.offsets[count][0] if count else 0


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    # SentencePiece counts the blank before a word to it; some byte-level tokenisers one after it.
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_local(definition: Mapping[str, Any]) -> bool:
    splitters = set(_types(definition.get("pre_tokenizer")))
    return (
        definition["model"].get("type") in _LOCAL_MODELS
        and set(_types(definition.get("normalizer"))) <= _LOCAL_NORMALISERS
        and splitters <= {*_LOCAL_SPLITTERS, "Sequence"}
        and bool(splitters & _LOCAL_SPLITTERS)
        # Ordinary added tokens may hold blanks, or take those around them.
        and all(token["special"] for token in definition.get("added_tokens", ()))
    )


def _types(part: Mapping[str, Any] | None) -> Iterator[str]:
    if part:
        yield part["type"]
        for inner in (*part.get("normalizers", ()), *part.get("pretokenizers", ())):
            yield from _types(inner)
