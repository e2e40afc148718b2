import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.proxy.unescape import Unescaper

JSON_TEXT = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only),
    st.lists(st.text(st.sampled_from('aé\U0001d7d2\\"\n/\t1 u'), max_size=8), max_size=3),
    st.booleans(),
)


def read(pieces):
    unescaper = Unescaper()
    return "".join([*(unescaper.feed(piece) for piece in pieces), unescaper.finish()]), unescaper


def cut(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(JSON_TEXT | st.text(max_size=30) | st.text('\\u{["ndD8cC0 ', max_size=30), st.data())
def test_cuts_change_nothing(text, data):
    pieces = cut(text, data)

    assert read(pieces)[0] == read([text])[0]


@given(JSON_TEXT | st.text('\\u{["ndD8cC0 ', max_size=30), st.data())
def test_positions_lead_back_to_all_of_the_received_text(text, data):
    read_text, unescaper = read(cut(text, data))

    ends = [unescaper.received(count) for count in range(len(read_text) + 1)]
    assert ends[0] == 0
    assert ends[-1] == len(text)
    assert ends == sorted(set(ends))


@given(st.text(st.sampled_from('a1é\n"\\/'), min_size=1, max_size=20), st.data())
def test_what_json_says_is_read(text, data):
    read_text, unescaper = read(cut(json.dumps([text]), data))

    assert read_text == f'["{text}"]'
    forgotten = data.draw(st.integers(0, len(read_text)))
    end = unescaper.received(len(read_text))
    unescaper.forget(forgotten)
    assert unescaper.received(len(read_text)) == end


@pytest.mark.parametrize(
    ("received", "read_text"),
    [
        (r"plain \n text", r"plain \n text"),
        (r'  {"a":"\n4111"}', '  {"a":"\n4111"}'),
        (r'["\u0040"]', '["@"]'),
        (r'["\ud835\udfd2"]', '["\U0001d7d2"]'),
        (r'["\ud835x"]', '["\ufffdx"]'),
        (r'["\\n"]', r'["\n"]'),
        (r'["\x41 \u00"]', r'["\x41 \u00"]'),
        ('["\\', '["\\'),
        ('["\\ud835\\u', '["\ufffd\\u'),
    ],
)
def test_escapes_of_json_are_undone_and_all_else_stays(received, read_text):
    assert read([received])[0] == read_text
