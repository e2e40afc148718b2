"""What the tests about the repository itself share: its files, and how its documents are cut up."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pki", "outpost", "control_plane")
_NOT_OURS = {".git", ".venv", "__pycache__", "node_modules", "dist", "build"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the repository, relative to its root; where there is no git, every file that looks like ours."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"],
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode == 0 and listed.stdout:
        paths = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return tuple(path for path in paths if not _NOT_OURS & set(path.parts) and (ROOT / path).is_file())


def read(path: Path | str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text("utf-8")


def source_modules() -> tuple[Path, ...]:
    """Every Python file of the packages."""
    return tuple(path for path in tracked_files() if path.parts[0] in PACKAGES and path.suffix == ".py")


def documents() -> tuple[Path, ...]:
    """Every Markdown file."""
    return tuple(path for path in tracked_files() if path.suffix == ".md")


def code_lines(text: str) -> list[str]:
    """Lines of the fenced shell blocks of a Markdown text; continued lines are joined, comments dropped."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside and line.removeprefix("```").strip() in {"sh", "bash", "console"}
        elif inside:
            lines.append(line)
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in joined if line.strip() and not line.strip().startswith("#")]


@cache
def documented_statuses() -> dict[str, set[int]]:
    """The table of docs/errors.md: with which statuses each code is sent."""
    rows = re.findall(r"^\| `([a-z_]+)` \| ([\d, ]+) \|", read("docs/errors.md"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a code has two rows"
    return {code: {int(status) for status in statuses.split(",")} for code, statuses in rows}
