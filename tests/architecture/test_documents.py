"""What the documents name exists, and what exists is documented."""

import re

import pytest

from control_plane.api.errors import TABLE
from outpost.protocol.codes import ErrorCode
from outpost.proxy.errors import STATUS
from outpost.proxy.forward import CALLERS_FAULT
from tests.architecture.repository import (
    PACKAGES,
    ROOT,
    code_lines,
    documented_statuses,
    documents,
    read,
    source_modules,
    tracked_files,
)

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


def test_every_error_code_has_a_row():
    assert sorted(documented_statuses()) == sorted(code.value for code in ErrorCode)


def test_the_error_table_gives_every_status_that_the_proxy_sends():
    sent = {code: {status} for code, status in STATUS.items()}
    sent[ErrorCode.PROVIDER_ERROR] |= CALLERS_FAULT  # the caller's mistakes keep the provider's status
    documented = documented_statuses()
    assert {code.value for code, statuses in sent.items() if documented[code.value] != statuses} == set()


def test_whatever_a_client_can_be_refused_with_says_who_sees_it_and_what_to_do():
    rows = re.findall(r"^\| `([a-z_]+)` \| [\d, ]+ \| ([^|]+) \| (.+) \|$", read("docs/errors.md"), re.MULTILINE)
    told = {code: (who, what) for code, who, what in rows}
    for code in STATUS:
        who, what = told[code.value]
        assert "client" in who, code
        assert len(what) >= len("Ask for a new key."), code


def test_every_code_that_the_outposts_rooms_refuse_with_has_a_status_for_clients():
    """A code without one would be a 500 in place of a refusal."""
    rooms = ("budget", "dlp", "documents", "models", "policy", "proxy", "translation", "workers")
    used = set()
    for path in source_modules():
        if path.parts[0] == "outpost" and path.parts[1] in rooms:
            used |= set(re.findall(r"\bErrorCode\.([A-Z_]+)", read(path)))
    assert used
    assert {ErrorCode[name] for name in used} - set(STATUS) == set()


def test_the_error_table_gives_the_statuses_that_the_control_plane_sends():
    documented, sent = documented_statuses(), {}
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
