import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import RobertaProcessing

from outpost.errors import PackInvalid
from outpost.models.pack import pack_folder
from outpost.models.tokens import TextTokenizer
from tests.fakes.model_pack import VOCABULARY, tokenizer

DEFAULT = TextTokenizer((pack_folder(Path("default")) / "tokenizer.json").read_bytes())
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


ODD = "\u0338\u0301\u6f22\ufdfa\x1c\x00\u0130\u1112\u1161\u11ab\xa0\u200b\u3000\u03a3\x85\U0001f600\u200d"


@pytest.mark.parametrize("pieces", [WORDS, DEFAULT], ids=["words", "default"])
@given(data=st.data())
def test_tokens_of_a_text_that_grows_are_those_of_the_whole(pieces, data):
    assert pieces.is_local
    text = data.draw(st.text("ab AB,.-=( \n\t" + ODD, max_size=40) | st.text(st.characters(exclude_categories=("Cs",))))
    ids, offsets, at = [], [], 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5))):
        tokens, on = pieces.encode_open(text[at:cut])
        ids += tokens.ids
        offsets += [(start + at, end + at) for start, end in tokens.offsets]
        at += on
    rest, whole = pieces.encode(text[at:]), pieces.encode(text)
    assert ids + rest.ids == whole.ids
    assert offsets + [(start + at, end + at) for start, end in rest.offsets] == whole.offsets


def test_a_tokeniser_that_reads_beyond_a_word_is_not_local():
    def is_local(change):
        made = tokenizer()
        change(made)
        return TextTokenizer(made.to_str().encode()).is_local

    assert is_local(lambda made: None)
    assert not is_local(lambda made: setattr(made, "pre_tokenizer", Metaspace()))
    assert not is_local(lambda made: setattr(made, "normalizer", Replace("a b", "c")))
    assert not is_local(lambda made: made.add_tokens(["two words"]))
    assert is_local(lambda made: setattr(made, "normalizer", Sequence([NFKC(), Lowercase()])))
    assert not TextTokenizer(Tokenizer(WordLevel({"a": 0, "u": 1}, unk_token="u")).to_str().encode()).is_local
