import hashlib
import io
import tarfile

import pytest

from training import texts
from training.texts import TextsError, archives, documents, members, plain

PAGE = (
    "Settings\n========\n\n.. setting:: DEBUG\n\nSee :ref:`the list <all-settings>` and ``manage.py``.\n"
    + "Text. " * 90
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, text in (
            ("thing-1.0/docs/b.rst", PAGE),
            ("thing-1.0/docs/a.rst", PAGE),
            ("thing-1.0/docs/short.rst", "Too short."),
            ("thing-1.0/LICENSE.txt", PAGE),
            ("thing-1.0/thing.py", PAGE),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            made.addfile(info, io.BytesIO(text.encode()))
    pins = tmp_path / "texts.txt"
    pins.write_text(f"thing==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    monkeypatch.setattr(texts, "PINS", pins)
    return tmp_path


def test_prose_is_read_in_the_order_of_names_and_licences_are_not(folder):
    assert [name for name, _ in members(folder / "thing-1.0.tar.gz")] == ["docs/a.rst", "docs/b.rst"]


def test_rows_are_harmless_and_one_in_two_has_no_markup(folder):
    marked, unmarked = documents(folder)
    assert (marked.attacks, marked.group) == ((), "text/thing-1.0.tar.gz/docs/a.rst")
    assert ":ref:" in marked.text
    assert ":ref:" not in unmarked.text


def test_another_archive_than_the_pinned_one_is_refused(folder):
    (folder / "thing-1.0.tar.gz").write_bytes(b"other")
    with pytest.raises(TextsError, match="empty it"):
        archives(folder)


def test_markup_goes_and_words_stay():
    assert plain(PAGE).startswith("Settings")
    assert "See the list  and manage.py." in plain(PAGE).replace("`", "")
    assert plain("<p>Hello <b>you</b></p>") == "Hello you"
