import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.exact_data import WINDOW_CHARS, ExactDataFinder, build_records, cell_value
from outpost.dlp.finder import Report
from outpost.dlp.redact import redact_until_clean
from outpost.dlp.stream import StreamScanner
from outpost.dlp.tokens import fold
from outpost.protocol.list_file import Column, ColumnType, ListFileInvalid, read_list_file
from tests.outpost.dlp.org_lists import KEY, engine, found

COLUMNS = [
    Column(name="first", type=ColumnType.TEXT),
    Column(name="last", type=ColumnType.TEXT),
    Column(name="mail", type=ColumnType.TEXT),
    Column(name="phone", type=ColumnType.NUMBER),
]
ROWS = [
    ["Ana", "Silva Quexo", "ana.silva@mail.example.org", "+44 20 7946 0958"],
    ["John", "Smith", "j.smith@mail.example.org", "(650) 253-0000"],
    ["John", "Smith", "", "650-253-0001"],
    *[["John", "Smith", "", f"650-253-{number}"] for number in range(1000, 1006)],
    ["Zoë", "Ünal", "", "DE89 3704 0044"],
]


def finder(min_columns=2, rows=ROWS):
    content = build_records(rows, COLUMNS, "rows", KEY)
    return ExactDataFinder(read_list_file(content), KEY, Report("list/rows", "org.rows", 0.9), min_columns)


ENGINE = engine(finder())
FAR = "x" * 20 + " and " * 60


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Ana called, Ms Silva-Quexo", ["Ana", "Silva-Quexo"]),
        ("ANA, +442079460958", ["ANA", "442079460958"]),
        ("mail ana.silva@mail.example.org, tel. 44 20 7946 0958", ["ana.silva@mail.example.org", "44 20 7946 0958"]),
        ("650.253.0000 is John's", ["650.253.0000", "John"]),
        ("zoe: de89 37040044", ["zoe", "de89 37040044"]),
        # near misses
        ("Ana", []),
        ("ana.silva@mail.example.org, ana.silva@mail.example.org", []),
        ("John Smith", []),  # both are in many rows
        ("Ana Smith", []),  # of two rows
        ("Ana Unal +1 650 253 0001", []),
        ("650 253 0000 and 650 253 0001", []),
        (f"Ana {FAR} Silva Quexo", []),
        ("Ana +44 20 7946 0959", []),
    ],
)
def test_values_of_one_row_that_stand_together_are_found(text, spans):
    assert found(ENGINE, text) == spans


def test_more_columns_can_be_asked_for():
    three = engine(finder(3))
    assert found(three, "Ana Silva Quexo") == []
    assert len(found(three, "Ana Silva Quexo, 442079460958")) == 3


def test_a_window_has_an_end():
    text = "Ana " + "x" * (WINDOW_CHARS - 5) + " Silva Quexo"
    assert text.index("Silva") == WINDOW_CHARS
    assert found(ENGINE, text) == []
    assert len(found(ENGINE, text.replace("xx", "x", 1))) == 2


def test_redaction_leaves_nothing():
    clean = redact_until_clean("Ana Silva Quexo, 442079460958", ENGINE.scan, {"org.rows"})
    assert clean == "[REDACTED:org.rows] [REDACTED:org.rows], [REDACTED:org.rows]"


def test_disguised_rows_are_found_too():
    text = "QW5hIFNpbHZhIFF1ZXhvIDQ0MjA3OTQ2MDk1OCBhbmEgYW5hIGFuYQ=="
    assert {finding.kind for finding in ENGINE.scan(text)} == {"org.rows"}


PIECES = st.sampled_from(
    ["Ana", "Silva Quexo", "Silva", "+44 20 7946 0958", "442079460958", "ana.silva@mail.example.org", "John", "Smith",
     "(650) 253-0000", "650-253-", "0001", "Zoë", "DE89", "3704 0044", " ", ", ", "\n", " and so on ", "x" * 90, "7",
     "夜", "QW5hIFNpbHZhIFF1ZXhvIDQ0MjA3OTQ2MDk1OA==", "%41na"]
)  # fmt: skip
FULL = engine(finder(), every_detector=True)


@given(st.lists(PIECES, max_size=14), st.randoms(use_true_random=False))
def test_a_stream_gives_what_the_whole_text_gives(pieces, rng: random.Random):
    text = "".join(pieces)
    scanner, place, moved = StreamScanner(FULL), 0, []
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for part in [*(scanner.feed(part) for part in parts), scanner.finish()]:
        for piece in part:
            moved += [(f.kind, place + f.start, place + f.end) for f in piece.findings]
            place += len(piece.text)
    assert place == len(text)
    assert moved == [(f.kind, f.start, f.end) for f in FULL.scan(text)]


def test_a_stream_waits_only_behind_values():
    scanner = StreamScanner(ENGINE)
    text = "We had a long talk about the big weather and all that. "
    assert "".join(part.text for part in scanner.feed(text * 3)).startswith(text * 2)
    assert "".join(part.text for part in scanner.feed("Ana said so. " + "yes " * 30)).endswith("that. ")
    assert "".join(part.text for part in scanner.feed("no " * 60)).startswith("Ana said so")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("O'Neil  & Co", ColumnType.TEXT, "o neil co"),
        ("a", ColumnType.TEXT, None),
        ("x" * 65, ColumnType.TEXT, None),
        ("+44 (20) 7946-0958", ColumnType.NUMBER, "#442079460958"),
        ("12345", ColumnType.NUMBER, None),
        ("abcdefgh", ColumnType.NUMBER, None),
    ],
)
def test_cells_as_they_are_compared(text, kind, value):
    assert cell_value(text, kind) == value


def test_what_says_nothing_or_is_too_much_is_refused(monkeypatch):
    with pytest.raises(ListFileInvalid, match="no value is in at most 4 rows"):
        build_records([["John", "Smith", "", ""]] * 9, COLUMNS, "rows", KEY)
    with pytest.raises(ListFileInvalid, match="no values"):
        build_records([["", "", "", ""]], COLUMNS, "rows", KEY)
    for limit, why in (("MAX_ROWS", "at most 2 rows"), ("MAX_CELLS", "at most 2 cells")):
        with monkeypatch.context() as patched:
            patched.setattr(f"outpost.dlp.exact_data.{limit}", 2)
            with pytest.raises(ListFileInvalid, match=why):
                build_records(ROWS, COLUMNS, "rows", KEY)


def test_cells_that_cannot_be_listed_are_told_and_common_values_cannot_be_counted():
    skipped = []
    content = build_records([*ROWS, ["J", "Doe", "", "12"]], COLUMNS, "rows", KEY, skipped.append)
    assert skipped == ["J", "12"]
    file = read_list_file(content)
    anchors, cells = file.sections[0].cast("Q"), file.sections[2].cast("Q")
    assert len(set(cells)) == len(cells) == file.header.entries
    assert not set(anchors) & set(cells)
    # "John" and "Smith" are in nine rows, and no digest is there nine times.
    assert max(list(anchors).count(digest) for digest in anchors) <= 4


@given(st.lists(st.tuples(*[st.text(alphabet="ab 1é夜-", max_size=8)] * 4), min_size=1, max_size=6))
def test_any_table_is_built_or_refused_and_its_findings_are_its_values(rows):
    try:
        scanned = engine(finder(rows=[list(row) for row in rows]))
    except ListFileInvalid:
        return
    for row in rows:
        text = " . ".join(row)
        assert all(f.kind == "org.rows" and text[f.start : f.end].strip() for f in scanned.scan(text))


@given(st.lists(st.text(alphabet="bcdfgklmé夜", min_size=3, max_size=8), min_size=4, max_size=12, unique_by=fold))
def test_rows_of_values_that_nothing_else_has_are_found(words):
    rows = list(zip(words[::2], words[1::2], strict=False))
    scanned = engine(finder(rows=[[first, last, "", ""] for first, last in rows]))
    for first, last in rows:
        assert found(scanned, f"{first}, {last}") == [first, last]
