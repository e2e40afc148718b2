import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.list_file import (
    MAX_LIST_BYTES,
    Column,
    ColumnType,
    ListFileInvalid,
    ListKey,
    ListKeyInvalid,
    PassagesHeader,
    RecordsHeader,
    WordsHeader,
    encode_list_key,
    list_of_target,
    list_target,
    parse_list_key,
    read_list_file,
    write_list_file,
)

KEY = ListKey("list-1", bytes(range(32)))
WORDS = WordsHeader(list_id="customers", key_id="list-1", filter_bits=6, entries=2, lengths=[1, 3])
COLUMNS = [Column(name="name", type=ColumnType.TEXT), Column(name="id", type=ColumnType.NUMBER)]
RECORDS = RecordsHeader(
    list_id="rows",
    key_id="list-1",
    filter_bits=7,
    entries=3,
    anchors=1,
    rows=2,
    columns=COLUMNS,
    lengths=[1],
    number_lengths=[],
)
PASSAGES = PassagesHeader(
    list_id="papers", key_id="list-1", filter_bits=6, entries=1, sources=1, shingle_words=8, window_words=8
)
WHOLE = write_list_file(WORDS, (bytes(16), bytes(8)), KEY)


@pytest.mark.parametrize("header", [WORDS, RECORDS, PASSAGES])
def test_a_file_is_read_back(header):
    sections = tuple(bytes([number]) * size for number, size in enumerate(header.sizes))
    file = read_list_file(write_list_file(header, sections, KEY))
    assert file.header == header
    assert tuple(map(bytes, file.sections)) == sections
    file.require_made_with(KEY)


@pytest.mark.parametrize("key", [ListKey("list-1", bytes(32)), ListKey("list-1", KEY.value[:-1] + b"x")])
def test_another_key_is_refused(key):
    with pytest.raises(ListFileInvalid, match="customers was altered, or made with another key"):
        read_list_file(WHOLE).require_made_with(key)


@given(st.data())
def test_whatever_is_altered_or_cut_is_refused(data):
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    changed = data.draw(
        st.sampled_from([WHOLE[:at], WHOLE + WHOLE[:at], WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]])
    )
    if changed != WHOLE:
        with pytest.raises(ListFileInvalid):
            read_list_file(changed).require_made_with(KEY)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"oplist1\n" + rest))
def test_any_bytes_give_a_list_or_the_error(content):
    with pytest.raises(ListFileInvalid):
        read_list_file(content)


@given(st.text(alphabet='{}[]":,0123456789.eENaIif \\uform"words', max_size=120))
def test_any_header_gives_a_list_or_the_error(text):
    header = text.encode()
    with pytest.raises(ListFileInvalid):
        read_list_file(b"oplist1\n" + len(header).to_bytes(4, "little") + header)


def test_what_the_header_does_not_promise_is_refused():
    with pytest.raises(ListFileInvalid, match="cut short"):
        write_list_file(WORDS, (bytes(16), bytes(16)), KEY)
    with pytest.raises(ListFileInvalid, match="larger"):
        read_list_file(bytes(MAX_LIST_BYTES + 1))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("customers.list", "customers"),
        ("a-1.list", "a-1"),
        ("abcdefghijklmnopqrstu.list", "abcdefghijklmnopqrstu"),
        ("abcdefghijklmnopqrstuv.list", None),
        ("detectors.json", None),
        ("../a.list", None),
        ("A.list", None),
        (".list", None),
    ],
)
def test_names_of_targets(name, found):
    assert list_of_target(name) == found
    if found:
        assert list_target(found) == name


def test_keys_are_read_back_and_never_shown():
    assert parse_list_key(encode_list_key(KEY)) == KEY
    assert "\\x1f" not in repr(KEY)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"format":"outpost-list-key/1","id":"a","key":"AAAA"}', encode_list_key(KEY) + b"x", b"[" * 9999],
)
def test_other_files_are_no_keys(content):
    with pytest.raises(ListKeyInvalid):
        parse_list_key(content)
