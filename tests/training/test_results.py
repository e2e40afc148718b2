import html
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.results import _FORMS, rendered

PIECES = ["The tram is late.", 'She said "no" & left <here>.', "Two\nlines, one piece; a | bar"]


def written(piece):
    """How a form may write a piece: as it is, on one line, in JSON, in markup, in a cell, as a comment."""
    line = piece.replace("\n", " ")
    return {
        piece, line, line.replace('"', '""'), html.escape(piece, quote=False), json.dumps(piece)[1:-1],
        json.dumps(piece, ensure_ascii=False)[1:-1],
        *(piece.replace("\n", f"\n{mark}") for mark in ("# ", "// ", "-- ", "; ", " * ")),
    }  # fmt: skip


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=6), st.integers(0, 10**6))
def test_each_piece_stands_where_it_is_said_to(pieces, seed):
    text, places = rendered(pieces, random.Random(seed))
    assert len(places) == len(pieces)
    assert all(text[start:end] in written(piece) for piece, (start, end) in zip(pieces, places, strict=True))
    assert [start for start, _ in places] == sorted(start for start, _ in places)


def test_the_same_seed_gives_the_same_result():
    assert rendered(PIECES, random.Random(4)) == rendered(PIECES, random.Random(4))


@pytest.mark.parametrize("form", sorted(set(_FORMS), key=lambda form: form.__name__))
def test_no_form_is_the_same_twice(form):
    made = {"".join("".join(parts) for parts in form(PIECES, random.Random(seed))) for seed in range(40)}
    assert len(made) > 2


def test_what_looks_like_json_is_json():
    read = 0
    for seed in range(300):
        text, _ = rendered(PIECES, random.Random(seed))
        if text.startswith('{"'):
            for line in [text] if text.endswith("null}") else text.splitlines():
                assert json.loads(line)
                read += 1
    assert read
