import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.rewrite import SEPARATOR, Token, build, uncut


def test_tokens_are_replaced_and_lines_without_one_left_out():
    text = "one %41 two\n" + "x" * 400 + "\n%42\n"
    view = build(text, [Token(4, 7, "A", 3), Token(413, 416, "B", 3)])
    assert view.text == "one A two" + SEPARATOR + "x" * 63 + "\nB\n"
    at = view.text.index("B")
    assert view.original_span(at, at + 1) == (413, 416)
    assert view.original_span(0, 5) == (0, 7)
    assert view.last


def test_a_scaled_token_maps_each_part_of_what_it_says():
    view = build("QUJDREVG==", [Token(0, 10, "ABCDEF", 4, 3)])
    assert view.original_span(0, 3) == (0, 4)
    assert view.original_span(1, 2) == (1, 3)
    assert view.original_span(3, 6) == (4, 10)  # what ends with the token ends where the token does


def test_only_what_touches_a_token_is_new():
    view = build('aa "bb" + "cc" dd', [Token(6, 11, "")])
    assert view.text == 'aa "bbcc" dd'
    assert view.touches_token(4, 8)
    assert view.touches_token(6, 8)
    assert not view.touches_token(0, 2)
    assert not view.touches_token(10, 12)


def test_a_place_is_found_in_the_copy():
    view = build("a %41 b", [Token(2, 5, "A", 3)], begin=2)
    assert (view.begin, view.image(0), view.image(2), view.image(6), view.image(7)) == (2, 0, 2, 4, 5)


pieces = st.lists(
    st.tuples(st.text(alphabet="ab \n", max_size=80), st.text(alphabet="XY", max_size=3)), min_size=1, max_size=8
)


@given(pieces)
def test_every_place_maps_into_the_text_and_in_order(parts):
    text, tokens = "", []
    for plain, said in parts:
        text += plain
        tokens.append(Token(len(text), len(text) + 2, said))
        text += "##"
    view = build(text, tokens)
    places = [view.original(at) for at in range(len(view.text))]
    assert places == sorted(places)
    for at, sign in enumerate(view.text):
        start, end = view.original_span(at, at + 1) if view.original(at) < len(text) else (0, 0)
        if sign in "XY":
            assert text[start:end] == "##"
        elif sign != "\x1e" and start < end:
            assert text[start:end] in (sign, "##")


@pytest.mark.parametrize(("cut", "kept"), [(0, 0), (2, 2), (3, 2), (4, 2), (6, 2), (7, 7), (8, 7), (9, 9)])
def test_what_was_read_together_is_not_parted(cut, kept):
    tokens = [Token(2, 4, "a"), Token(4, 5, "b", goes_on=True), Token(5, 7, "c", goes_on=True), Token(7, 9, "d")]
    assert uncut(tokens, cut) == kept
