"""Nothing in the repository names the machine it was written on, or where packages were fetched from."""

import re

import pytest

from tests.architecture.repository import ROOT, read, tracked_files

# Written in pieces so that this file does not contain what it forbids.
BANNED = {
    "a path of the machine this was written on": re.compile("/wo" + "rk/|/ro" + r"ot/\.|/tmp/bash" + "_jobs"),
    "a home folder": re.compile("/ho" + r"me/\w"),
    "a package registry": re.compile("py" + r"pi\.org|python" + r"hosted\.|npm" + r"js\.(?:org|com)|crates" + r"\.io/"),
    "a package index option": re.compile("--(?:extra-)?index" + "-url|--find" + "-links"),
    "a merge conflict": re.compile("^(?:<{7}|>{7}) ", re.MULTILINE),
    "a private key": re.compile("-----BEGIN (?:EC |RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/]{60}"),
}
IMAGINED = {"a home folder": "training/carriers/"}
"""Where texts tell of machines that nobody has."""


@pytest.mark.parametrize("what", BANNED)
def test_no_tracked_file_names(what):
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path in tracked_files()
        if not str(path).startswith(IMAGINED.get(what, "\0"))
        for text in [(ROOT / path).read_bytes().decode("utf-8", "replace")]
        for match in BANNED[what].finditer(text)
    ]
    assert not found, "\n".join(found)


def test_the_lock_file_that_names_registries_is_not_tracked():
    assert "uv.lock" not in {path.name for path in tracked_files()}
    assert "uv.lock" in read(".gitignore").split()
