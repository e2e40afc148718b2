"""Reads what a list is made of: lines of text, columns of CSV, documents. Streams, so a large export needs no memory.

Errors name the file and the line, never what stands there.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from outpost.errors import InputUnusable

MAX_LINE_CHARS: Final = 65_536  # of a table's row; no name or address comes near
_TEXT_SUFFIXES: Final = frozenset({".txt", ".text", ".md"})
_TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv"})

Advance = Callable[[int], None]
"""Told how many bytes were read since it was told last."""


def is_table(path: Path) -> bool:
    """Whether a file is read as a table."""
    return path.suffix.lower() in _TABLE_SUFFIXES


def lines(path: Path, advance: Advance) -> Iterator[str]:
    """The lines of a UTF-8 text, without their ends; blank lines and those that begin with ``#`` are left out.

    Raises:
        InputUnusable: It is not UTF-8, or a line is too long.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(_decoded(path, file, advance), start=1):
            if len(line) > MAX_LINE_CHARS:
                raise InputUnusable(f"{path}:{number}: the line is longer than {MAX_LINE_CHARS} characters")
            text = line.strip()
            if text and not text.startswith("#"):
                yield text


def header_of(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        InputUnusable: It has none.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        names = next(_rows(path, _decoded(path, file, lambda _: None)), [])
    if not any(name.strip() for name in names):
        raise InputUnusable(f"{path}: the first line names no columns")
    return [name.strip() for name in names]


def rows(path: Path, columns: Sequence[str], advance: Advance) -> Iterator[list[str]]:
    """The values of these columns, row by row; a row that ends early has empty ones.

    Raises:
        InputUnusable: A column is not there, or the file is not a table in UTF-8.
        OSError: It cannot be read.
    """
    names = header_of(path)
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputUnusable(f"{path}: there is no column {missing[0]}; it has {', '.join(names)}")
    places = [names.index(column) for column in columns]
    with path.open("rb") as raw:
        reader = _rows(path, _decoded(path, raw, advance))
        next(reader, None)
        for row in reader:
            yield [row[place].strip() if place < len(row) else "" for place in places]


def documents_in(paths: Sequence[Path]) -> list[Path]:
    """The files, and those of directories that are named like texts, in order.

    Raises:
        InputUnusable: There is none of that name.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in _TEXT_SUFFIXES
            )
        elif path.is_file():
            found.append(path)
        else:
            raise InputUnusable(f"there is no {path}")
    return found


def document(path: Path, advance: Advance) -> str:
    """The text of a document.

    Raises:
        InputUnusable: It is not UTF-8 text.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    advance(len(content))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InputUnusable(f"{path} is not UTF-8 text; make text of it first, for example with pdftotext") from err


def _rows(path: Path, source: Iterator[str]) -> Iterator[list[str]]:
    reader = csv.reader(source, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        yield from reader
    except csv.Error as err:
        raise InputUnusable(f"{path}:{reader.line_num}: this is not CSV ({err})") from err


def _decoded(path: Path, file: BinaryIO, advance: Advance) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        advance(len(line))
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as err:
            raise InputUnusable(
                f"{path}:{number}: this is not UTF-8; convert it first, for example with iconv"
            ) from err
