import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import RobertaProcessing

from outpost.errors import PackInvalid
from outpost.models.tokens import TextTokenizer
from tests.fakes.model_pack import VOCABULARY, tokenizer

WORDS = TextTokenizer(tokenizer().to_str().encode())


def covered(text, tokens):
    return [text[start:end] for start, end in tokens.offsets]


def test_tokens_have_their_places_in_the_text_as_received():
    text = "Ana\u2003Silva, \U0001f600 the"
    tokens = WORDS.encode(text)
    assert covered(text, tokens) == ["Ana", "Silva", ",", "\U0001f600", "the"]
    assert tokens.ids[0] == VOCABULARY["ana"]


def test_special_tokens_are_those_of_the_window_and_no_others():
    assert (WORDS.before, WORDS.after) == ([VOCABULARY["[CLS]"]], [VOCABULARY["[SEP]"]])
    assert WORDS.pad_id == VOCABULARY["[PAD]"]
    assert WORDS.vocabulary_size == len(VOCABULARY)


def test_a_text_cannot_spell_a_special_token():
    spelled = WORDS.encode("[SEP] [CLS] [PAD]")
    assert not {VOCABULARY[name] for name in ("[SEP]", "[CLS]", "[PAD]")} & set(spelled.ids)


def test_truncation_and_padding_of_the_file_are_not_taken_over():
    made = tokenizer()
    made.enable_truncation(4)
    made.enable_padding(length=4)
    assert len(TextTokenizer(made.to_str().encode()).encode("the a " * 10).ids) == 20
    assert len(TextTokenizer(made.to_str().encode()).encode("the").ids) == 1


def test_pieces_of_sentencepiece_cover_no_blanks():
    made = Tokenizer(
        Unigram([("<s>", 0), ("</s>", 0), ("<pad>", 0), ("<unk>", 0), ("\u2581ana", -1), ("\u2581", -2)], unk_id=3)
    )
    made.pre_tokenizer = Metaspace()
    made.post_processor = RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=False)
    pieces = TextTokenizer(made.to_str().encode())
    text = "ana  ana"
    assert [word for word in covered(text, pieces.encode(text)) if word] == ["ana", "ana"]
    assert (pieces.before, pieces.after, pieces.pad_id) == ([0], [1], 2)


def test_a_tokeniser_without_special_tokens_has_none():
    plain = TextTokenizer(Tokenizer(WordLevel({"a": 0, "u": 1}, unk_token="u")).to_str().encode())
    assert (plain.before, plain.after, plain.pad_id) == ([], [], 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        json.dumps({"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "x"}}).encode(),
    ],
)
def test_what_is_no_tokeniser_is_refused(content):
    with pytest.raises(PackInvalid, match="not a tokeniser"):
        TextTokenizer(content)


@given(st.binary(max_size=100))
def test_any_bytes_give_a_tokeniser_or_the_typed_error(content):
    with pytest.raises(PackInvalid):
        TextTokenizer(content)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_offsets_are_in_order_and_inside(text):
    tokens = WORDS.encode(text)
    assert len(tokens.ids) == len(tokens.offsets)
    for start, end in tokens.offsets:
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
