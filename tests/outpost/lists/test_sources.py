from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import InputUnusable
from outpost.lists.sources import document, header_of, is_table, lines, rows


def nothing(_):
    pass


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_lines_without_blank_ones_and_comments(write):
    read = []
    path = write("a.txt", "\ufeffAda \r\n\n# no\n  Bob\nÉva".encode())
    assert list(lines(path, read.append)) == ["Ada", "Bob", "Éva"]
    assert sum(read) == path.stat().st_size


def test_columns_by_name(write):
    path = write("a.csv", b'id,name,note\n1,"Silva, Ana",x\n2\n')
    assert header_of(path) == ["id", "name", "note"]
    assert list(rows(path, ["name", "id"], nothing)) == [["Silva, Ana", "1"], ["", "2"]]
    assert list(rows(write("a.tsv", b"a\tb\n1\t2\n"), ["b"], nothing)) == [["2"]]
    assert (is_table(path), is_table(write("a.txt", b""))) == (True, False)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"id,name\n1,2\n", "no column mail; it has id, name"),
        ("a.csv", b"", "names no columns"),
        ("a.csv", b"mail\n\xff\n", "a.csv:2: this is not UTF-8"),
        ("a.csv", b'mail\n"a" b\n', "a.csv:2: this is not CSV"),
    ],
)
def test_other_tables_are_refused(write, name, content, why):
    with pytest.raises(InputUnusable, match=why):
        list(rows(write(name, content), ["mail"], nothing))


def test_other_texts_are_refused(write):
    with pytest.raises(InputUnusable, match=r"a.txt:2: this is not UTF-8"):
        list(lines(write("a.txt", b"x\n\xfe\n"), nothing))
    with pytest.raises(InputUnusable, match=r"a.txt:1: the line is longer"):
        list(lines(write("a.txt", b"x" * 70_000), nothing))
    with pytest.raises(InputUnusable, match="pdftotext"):
        document(write("a.pdf", b"%PDF\xff"), nothing)


@given(st.binary(max_size=80))
def test_any_bytes_give_rows_or_the_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    for read in (lambda: rows(path, ["a"], nothing), lambda: lines(path, nothing)):
        with suppress(InputUnusable):
            assert all(read())
