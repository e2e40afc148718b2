"""The committed requirements are complete, hashed, free of addresses, and agree with pyproject.toml."""

import re
import tomllib

import pytest
from packaging.markers import Marker

from tests.architecture.repository import read

FILES = ("runtime.txt", "dev.txt", "build.txt", "uv.txt")
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,-]+\])?==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def _pins(name: str) -> dict[str, str]:
    return {found[1]: found[2] for found in _PIN.finditer(read(f"requirements/{name}"))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[ ;]", name)[0]).lower()


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_and_hashed(name):
    blocks = re.split(r"^(?=[^\s#])", read(f"requirements/{name}"), flags=re.MULTILINE)[1:]
    assert blocks
    for block in blocks:
        assert _PIN.match(block), block.splitlines()[0]
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}", block, re.MULTILINE), block.splitlines()[0]


@pytest.mark.parametrize("name", FILES)
def test_no_requirement_names_an_address_or_a_path(name):
    assert not re.search(r"://|^-|\B/[a-z]|file:", read(f"requirements/{name}"), re.MULTILINE)


def test_one_version_of_each_package_everywhere():
    dev = _pins("dev.txt")
    for name in ("runtime.txt", "build.txt"):
        for package, version in _pins(name).items():
            assert dev.get(package) == version, f"{package} differs between {name} and dev.txt; run make lock"


def test_what_pyproject_asks_for_is_pinned():
    project = tomllib.loads(read("pyproject.toml"))
    groups = project["dependency-groups"]
    asked = {
        "runtime.txt": project["project"]["dependencies"],
        "build.txt": groups["build"],
        "uv.txt": groups["uv"],
        "dev.txt": groups["dev"],
    }
    for name, requirements in asked.items():
        missing = {_normal(item) for item in requirements if isinstance(item, str)} - set(_pins(name))
        assert not missing, f"{name} lacks {missing}; run make lock"


def test_the_build_backend_is_the_pinned_one():
    required = tomllib.loads(read("pyproject.toml"))["build-system"]["requires"]
    assert required == [f"hatchling=={_pins('build.txt')['hatchling']}"]


@pytest.mark.parametrize("name", FILES)
def test_every_supported_python_installs_the_same(name):
    markers = {found[3] for found in _PIN.finditer(read(f"requirements/{name}")) if found[3]}
    for marker in markers:
        environments = [
            {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.5"} for minor in (11, 12, 13)
        ]
        assert len({Marker(marker).evaluate(environment) for environment in environments}) == 1, marker


def test_the_dockerfile_installs_only_what_is_hashed_or_built_there():
    installs = re.findall(r"/pip (?:--python \S+ )?install (.*?)(?:&&|\n\S)", read("Dockerfile"), re.DOTALL)
    assert len(installs) == 3
    for arguments in installs:
        assert "--require-hashes" in arguments or "--no-index" in arguments
