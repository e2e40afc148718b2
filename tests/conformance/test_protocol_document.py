"""``docs/protocol.md`` names tests that exist: a table that says where each step is held must not go stale."""

import re

import pytest

from tests.architecture.repository import ROOT, read

FILES = {
    "C": "tests/conformance/test_tuf_client.py",
    "A": "tests/outpost/policy/test_attacks.py",
    "W": "tests/outpost/policy/test_workflow.py",
    "M": "tests/outpost/policy/test_trusted_metadata.py",
    "R": "tests/outpost/sync/test_refresh.py",
}
TEXT = read("docs/protocol.md")
# "C `one`, `two`; A "a row", `three`": a letter, then names and titles up to the next letter.
CITED = [
    (letter, name, title)
    for letter, names in re.findall(r"\b([CAWMR]) ((?:(?:`test_\w+`|\"[^\"]+\")(?: \([^)]*\))?(?:, )?)+)", TEXT)
    for name, title in re.findall(r"`(test_\w+)`|\"([^\"]+)\"", names)
]


def test_enough_is_cited():
    assert len(CITED) > 60


@pytest.mark.parametrize(("letter", "name", "title"), CITED, ids=str)
def test_what_is_cited_exists(letter, name, title):
    source = (ROOT / FILES[letter]).read_text()
    assert f"def {name}(" in source if name else title in source


@pytest.mark.parametrize("step", [f"5.{section}" for section in range(1, 8)])
def test_each_section_of_the_workflow_is_there(step):
    assert re.search(rf"^\| {re.escape(step)}\b", TEXT, re.MULTILINE)
