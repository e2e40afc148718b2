"""Objects are read member by member, and what nobody read is refused without being repeated."""

import pytest

from outpost.errors import Rejected, Untranslatable
from outpost.protocol.codes import ErrorCode
from outpost.translation.reading import Members, Notes, read, write

CODE = ErrorCode.UNTRANSLATABLE


def members(value, notes=None):
    return Members(value, "here", notes or Notes(CODE))


def test_what_nobody_read_is_refused_without_its_name():
    known = members({"a": "x", "4111 1111 1111 1111": 1})
    assert known.text("a") == "x"
    with pytest.raises(Untranslatable, match="'here' has a member") as refused:
        known.close()
    assert "4111" not in refused.value.message
    members({"unknown": None}).close()
    members({"unknown": 1}, Notes(CODE, strict=False)).close()


@pytest.mark.parametrize(
    ("how", "good", "bad"),
    [
        ("text", ["", "x"], [None, 5, []]),
        ("text_or_none", [None, "x"], [5, {}]),
        ("flag", [None, True, False], [0, "true"]),
        ("whole", [None, 0, 7], [-1, 1.0, True, "1"]),
        ("number", [None, 0, -1.5], [True, "1"]),
        ("mapping", [{}, {"a": 1}], [None, [], "x"]),
    ],
)
def test_members_have_their_types(how, good, bad):
    for value in good:
        assert getattr(members({"a": value}), how)("a") == value
    for value in bad:
        with pytest.raises(Untranslatable) as refused:
            getattr(members({"a": value}), how)("a")
        assert refused.value.field == "here.a"


def test_objects_know_their_place():
    inner = [*members({"a": [{}, {"b": {}}]}).objects("a")]
    assert [item.where for item in inner] == ["here.a[0]", "here.a[1]"]
    assert inner[1].object("b").where == "here.a[1].b"
    assert inner[0].object("b") is None
    assert [*members({}).objects("a")] == []
    for wrong in ({"a": {}}, {"a": [5]}):
        with pytest.raises(Untranslatable, match=r"here\.a"):
            list(members(wrong).objects("a"))


def test_left_out_is_what_was_there():
    notes = Notes(CODE)
    members({"a": 1, "b": None, "c": [], "d": False}, notes).leave_out("a", "b", "c", "d", "e")
    assert notes.left_out == ["here.a", "here.d"]


def test_only_the_harmless_passes():
    members({"a": 1}).only("a", 1, why="no")
    members({"a": None}).only("a", why="no")
    for value, harmless in ((True, 1), (0, False), ("x", "y"), (1, 2)):
        with pytest.raises(Untranslatable, match=r"'here\.a' no"):
            members({"a": value}).only("a", harmless, why="no")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"5", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_only_an_object_is_read(raw):
    with pytest.raises(Rejected, match="to translate") as refused:
        read(raw, CODE)
    assert refused.value.code is CODE


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud800"])
def test_only_json_is_written(value):
    with pytest.raises(Rejected):
        write({"a": value}, CODE)
    assert write({"a": "ü"}, CODE) == '{"a":"ü"}'.encode()
