"""What the documents name exists, and what exists is documented."""

import re

import pytest

from control_plane.api.errors import TABLE
from outpost.protocol.codes import ErrorCode
from outpost.proxy.errors import STATUS
from tests.architecture.repository import PACKAGES, ROOT, code_lines, documents, read, source_modules, tracked_files

_TARGET = re.compile(r"^([a-z][a-z-]*):.*?## (.+)$", re.MULTILINE)
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.*-]*)`|\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TOP = {path.parts[0] for path in tracked_files()}


def _targets() -> dict[str, str]:
    return dict(_TARGET.findall(read("Makefile")))


def test_the_readme_gives_the_two_commands():
    assert {"make demo", "make test"} <= set(code_lines(read("README.md")))


@pytest.mark.parametrize("path", documents(), ids=str)
def test_make_targets_named_in_documents_exist(path):
    text = read(path)
    named = set(re.findall(r"`make ([a-z][a-z-]+)", text))
    named |= {line.split()[1] for line in code_lines(text) if line.startswith("make ")}
    assert named <= set(_targets()), f"{path} names targets that do not exist"


def test_every_make_target_is_explained():
    phony = set(re.findall(r"^\.PHONY: (.+)$", read("Makefile"), re.MULTILINE))
    assert phony == set(_targets())


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_path_named_in_a_document_exists(path):
    missing = []
    for in_backticks, link in _PATH.findall(read(path)):
        name = in_backticks or link
        # In backticks only what starts with a folder of ours is a path of ours: `application/json` is not.
        if link.startswith("http") or (in_backticks and name.split("/")[0] not in _TOP):
            continue
        if not any(list(base.glob(name.rstrip("/"))) for base in (ROOT, ROOT / path.parent)):
            missing.append(name)
    assert not missing, f"{path} names {missing}"


def test_the_architecture_names_every_room():
    text = read("docs/architecture.md")
    rooms = sorted({path.parent.as_posix() for path in source_modules() if "migrations" not in path.parts})
    assert not [room for room in rooms if f"`{room}/" not in text]


def _documented_statuses() -> dict[str, set[int]]:
    rows = re.findall(r"^\| `([a-z_]+)` \| ([\d, ]+) \|", read("docs/errors.md"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a code has two rows"
    return {code: {int(status) for status in statuses.split(",")} for code, statuses in rows}


def test_every_error_code_has_a_row():
    assert sorted(_documented_statuses()) == sorted(code.value for code in ErrorCode)


def test_the_error_table_gives_the_status_that_the_proxy_sends():
    documented = _documented_statuses()
    assert {code.value for code, status in STATUS.items() if documented[code.value] != {status}} == set()


def test_the_error_table_gives_the_statuses_that_the_control_plane_sends():
    documented, sent = _documented_statuses(), {}
    for row in TABLE.values():
        sent.setdefault(row.code.value, set()).add(row.status.value)
    ours = {code.value for code in ErrorCode} - {code.value for code in STATUS}
    assert {code for code in ours & set(sent) if documented[code] != sent[code]} == set()


def test_every_decision_record_says_what_it_costs():
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text("utf-8")
        assert re.match(rf"# {record.name[:4]} ", text)
        for part in ("**Decision.**", "**Why.**", "**Rejected.**", "**Costs.**"):
            assert part in text, f"{record.name} lacks {part}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()


def test_the_changelog_has_a_place_for_what_comes_next():
    assert "## [Unreleased]" in read("CHANGELOG.md")
