import os
from pathlib import Path

import pytest

from outpost.scan.walk import Walk


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.txt",
        ".env",
        "x.log",
        "keep.log",
        "build/o.txt",
        "sub/b.txt",
        "sub/x.tmp",
        "sub/deep/c.txt",
        ".git/config",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x", "utf-8")
    Path(".gitignore").write_text("*.log\n!keep.log\n/build/\n", "utf-8")
    return tmp_path


def files(*paths, **options) -> list[str]:
    walk = Walk(**options)
    return [str(found.path) for path in paths or ["."] for found in walk.files(Path(path))]


def test_what_git_ignores_is_left_out(tree):
    walk = Walk()
    assert [str(found.path) for found in walk.files(Path())] == [
        ".env", ".gitignore", "a.txt", "keep.log", "sub/b.txt", "sub/deep/c.txt", "sub/x.tmp",
    ]  # fmt: skip
    assert walk.ignored == 2


def test_no_ignore_leaves_out_version_control_only(tree):
    assert {"x.log", "build/o.txt"} < set(files(no_ignore=True))
    assert ".git/config" not in files(no_ignore=True)


def test_the_nearest_file_has_the_last_word_and_those_above_count(tree):
    Path("sub/.gitignore").write_text("*.txt\n", "utf-8")
    Path("sub/deep/.gitignore").write_text("!c.txt\n*.log\n", "utf-8")
    Path("sub/deep/y.log").write_text("", "utf-8")
    assert files("sub") == ["sub/.gitignore", "sub/deep/.gitignore", "sub/deep/c.txt", "sub/x.tmp"]
    assert files("sub/deep") == ["sub/deep/.gitignore", "sub/deep/c.txt"]


def test_exclude_of_the_repository_counts(tree):
    Path(".git/info").mkdir()
    Path(".git/info/exclude").write_text("*.tmp\n", "utf-8")
    assert "sub/x.tmp" not in files()


def test_outside_a_repository_only_ignore_files_count(tree):
    (tree / ".git/config").unlink()
    (tree / ".git").rmdir()
    assert "x.log" in files()
    Path(".ignore").write_text("*.log\n", "utf-8")
    assert "x.log" not in files()


def test_what_is_named_is_looked_at(tree):
    assert files("x.log", "build") == ["x.log", "build/o.txt"]


@pytest.mark.parametrize("line", ["!", "[z-a]", "\\", "a" * 100_000])
def test_a_pattern_that_is_none_does_not_end_the_others(tree, line):
    Path(".gitignore").write_text(f"{line}\n*.log\n", "utf-8")
    assert "x.log" not in files()
    assert "a.txt" in files()


def test_links_and_devices_are_left_out_below_a_directory(tree):
    Path("link").symlink_to("a.txt")
    Path("loop").symlink_to(".")
    os.mkfifo("pipe")
    assert not {"link", "loop/a.txt", "pipe"} & set(files())
    assert files("link") == ["link"]


def test_what_cannot_be_read_is_told(tree):
    walk = Walk()
    Path("dangling").symlink_to("nowhere")
    assert list(walk.files(Path("dangling"))) == []
    assert walk.unreadable == [(Path("dangling"), "No such file or directory")]


def test_names_that_are_no_text(tree):
    name = os.fsdecode(b"\xff.log")
    Path(name).write_text("x", "utf-8")
    Path(os.fsdecode(b"\xff.txt")).write_text("x", "utf-8")
    assert name not in files()
    assert os.fsdecode(b"\xff.txt") in files()
