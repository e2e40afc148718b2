"""Which files a scan looks at: those named, and below a directory those that git would not ignore.

As ripgrep decides: ``.gitignore`` files (from the root of the repository down, and ``.git/info/exclude``) count inside
a git repository, ``.ignore`` files everywhere; ``.git`` itself, symbolic links and devices are left out. Unlike there,
hidden files are looked at, for ``.env`` is where secrets are. What is named on the command line is always looked at.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import re2
from pathspec import GitIgnoreSpec

# Version control's own stores: packed, and full of what was deleted from the files.
_STORES: Final = frozenset({".git", ".hg", ".svn"})
_MAX_IGNORE_FILE_BYTES: Final = 1024 * 1024
_INVALID: Final = (ValueError, re.error, re2.error)


@dataclass(frozen=True, slots=True)
class Found:
    """A file to look at; ``size_bytes`` is 0 for what has no size (a pipe)."""

    path: Path
    size_bytes: int


@dataclass(slots=True)
class Walk:
    """Files below some paths. ``ignored`` and ``unreadable`` (path, reason) grow while ``files`` runs."""

    no_ignore: bool = False
    ignored: int = 0
    unreadable: list[tuple[Path, str]] = field(default_factory=list)

    def files(self, path: Path) -> Iterator[Found]:
        """Every file of ``path``, itself if it is one, in the order of their names."""
        try:
            status = path.stat()
        except OSError as err:
            self._cannot(path, err)
            return
        if not stat.S_ISDIR(status.st_mode):
            yield Found(path, status.st_size)
            return
        where = path.resolve()
        root = None if self.no_ignore else _repository(where)
        specs = self._specs_above(root, where) if root is not None else ()
        if root not in {None, where} and _ignored(where, specs, is_directory=True):
            specs = ()
        yield from self._below(path, where, specs, git=root is not None)

    def _below(self, directory: Path, where: Path, specs: "tuple[_Spec, ...]", *, git: bool) -> Iterator[Found]:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as err:
            self._cannot(directory, err)
            return
        if not self.no_ignore:
            git = git or (where / ".git").exists()
            specs = (*specs, *_specs_of(where, git=git))
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_directory and entry.name in _STORES:
                continue
            if not (is_directory or entry.is_file(follow_symlinks=False)):
                continue
            if _ignored(where / entry.name, specs, is_directory=is_directory):
                self.ignored += 1
            elif is_directory:
                yield from self._below(directory / entry.name, where / entry.name, specs, git=git)
            else:
                yield from self._file(directory / entry.name, entry)

    def _file(self, path: Path, entry: "os.DirEntry[str]") -> Iterator[Found]:
        try:
            size_bytes = entry.stat(follow_symlinks=False).st_size
        except OSError as err:
            self._cannot(path, err)
            return
        yield Found(path, size_bytes)

    def _cannot(self, path: Path, err: OSError) -> None:
        self.unreadable.append((path, err.strerror or type(err).__name__))

    def _specs_above(self, root: Path, where: Path) -> "tuple[_Spec, ...]":
        """What the directories from the repository's root to above ``where`` say, weakest first."""
        specs = [_Spec(root, spec) for spec in _read(root / ".git" / "info" / "exclude")]
        for directory in reversed([parent for parent in where.parents if parent == root or root in parent.parents]):
            specs += _specs_of(directory, git=True)
        return tuple(specs)


@dataclass(frozen=True, slots=True)
class _Spec:
    directory: Path
    patterns: GitIgnoreSpec


def _repository(where: Path) -> Path | None:
    return next((path for path in (where, *where.parents) if (path / ".git").exists()), None)


def _specs_of(directory: Path, *, git: bool) -> list[_Spec]:
    names = (".gitignore", ".ignore") if git else (".ignore",)
    return [_Spec(directory, spec) for name in names for spec in _read(directory / name)]


def _read(path: Path) -> list[GitIgnoreSpec]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_IGNORE_FILE_BYTES)
    except OSError:
        return []
    lines = content.decode("utf-8", "replace").splitlines()
    try:
        return [_compiled(lines)]
    except _INVALID:
        return [_compiled([line for line in lines if _is_valid(line)])]


def _compiled(lines: list[str]) -> GitIgnoreSpec:
    # Patterns come with the tree that is scanned, so they run in the linear engine too.
    return GitIgnoreSpec.from_lines(lines, backend="re2")


def _is_valid(line: str) -> bool:
    try:
        _compiled([line])
    except _INVALID:
        return False
    return True


def _ignored(path: Path, specs: tuple[_Spec, ...], *, is_directory: bool) -> bool:
    """Whether the last pattern that matches says so; the nearest file has the last word (gitignore(5))."""
    for spec in reversed(specs):
        name = path.relative_to(spec.directory).as_posix() + ("/" if is_directory else "")
        # A name that is not UTF-8 cannot be told to the engine as it is.
        decided = spec.patterns.check_file(name.encode("utf-8", "replace").decode()).include
        if decided is not None:
            return decided
    return False
