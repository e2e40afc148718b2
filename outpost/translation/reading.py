"""Reads JSON objects of an API member by member, and accounts for every one: read, left out on purpose, or refused.

What a translator does not take it must name (``leave_out``, ``refuse``); ``close`` refuses the rest, so that a member
which an API gains later is never lost silently. Errors name places by known members and positions, never by content.
"""

import json
from collections.abc import Container, Iterator
from typing import Any, Final, NoReturn

from outpost.errors import Rejected, Untranslatable
from outpost.protocol.codes import ErrorCode

_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


class Notes:
    """What is wrong with a body is said with ``code``; ``left_out`` are the places of what has no effect elsewhere.

    In an answer that is not ``strict`` members nobody asks for are left out: providers add their own all the time.
    """

    def __init__(self, code: ErrorCode, *, strict: bool = True) -> None:
        self.code = code
        self.strict = strict
        self.left_out: list[str] = []

    def refuse(self, where: str, why: str) -> NoReturn:
        """Say no to ``where``, a place made of known names and positions.

        Raises:
            Untranslatable: Always.
        """
        raise Untranslatable(self.code, where, why)


class Members:
    """The members of one object at ``where``; whoever reads them all ends with ``close``."""

    def __init__(self, value: Any, where: str, notes: Notes) -> None:
        self.where = where
        self.notes = notes
        if not isinstance(value, dict):
            self.refuse("", "must be an object")
        self._value: dict[str, Any] = value
        self._known: set[str] = set()

    def refuse(self, name: str, why: str) -> NoReturn:
        """Say no to the member ``name``, or to the object itself if that is empty.

        Raises:
            Untranslatable: Always.
        """
        self.notes.refuse(self.at(name), why)

    def at(self, name: str) -> str:
        """The place of the member ``name``."""
        return f"{self.where}.{name}" if self.where and name else self.where or name

    def any(self, name: str) -> Any:
        """The member as it is; ``None`` if there is none."""
        self._known.add(name)
        return self._value.get(name)

    def text(self, name: str, why: str = "must be a string") -> str:
        """The member, a string."""
        value = self.any(name)
        if not isinstance(value, str):
            self.refuse(name, why)
        return value

    def text_or_none(self, name: str) -> str | None:
        """The member, a string or nothing."""
        return None if self.any(name) is None else self.text(name)

    def word(self, name: str, known: Container[str]) -> str:
        """The member, one of the words in ``known``, which need not be all that its API has."""
        value = self.any(name)
        if not isinstance(value, str) or value not in known:
            self.refuse(name, "is not a value that can be translated")
        return value

    def flag(self, name: str) -> bool | None:
        """The member, a boolean or nothing."""
        value = self.any(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value

    def whole(self, name: str) -> int | None:
        """The member, a whole number from 0 or nothing."""
        value = self.any(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            self.refuse(name, "must be a whole number")
        return value

    def number(self, name: str) -> int | float | None:
        """The member, a number or nothing."""
        value = self.any(name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            self.refuse(name, "must be a number")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """The member, any JSON object."""
        value = self.any(name)
        if not isinstance(value, dict):
            self.refuse(name, "must be an object")
        return value

    def object(self, name: str) -> "Members | None":
        """The member, an object of this API or nothing."""
        value = self.any(name)
        return None if value is None else Members(value, self.at(name), self.notes)

    def objects(self, name: str) -> Iterator["Members"]:
        """The items of the member, each an object; none if it is absent."""
        value = self.any(name)
        if value is not None and not isinstance(value, list):
            self.refuse(name, "must be an array")
        for position, item in enumerate(value or ()):
            yield Members(item, f"{self.at(name)}[{position}]", self.notes)

    def leave_out(self, *names: str) -> None:
        """Do without members that mean nothing to the other API (``docs/translation.md`` says why)."""
        for name in names:
            if self.any(name) not in _NOTHING:
                self.notes.left_out.append(self.at(name))

    def only(self, name: str, *harmless: Any, why: str) -> None:
        """Refuse the member unless it is empty or one of ``harmless``, which ask for what happens anyway."""
        value = self.any(name)
        # 0 == False in Python, not in JSON.
        if value not in _NOTHING and not any(value == item and type(value) is type(item) for item in harmless):
            self.refuse(name, why)

    def close(self) -> None:
        """Refuse every member that was not looked at; its name may be anybody's text, so it is not repeated."""
        unknown = (value for name, value in self._value.items() if name not in self._known)
        if self.notes.strict and any(value is not None for value in unknown):
            self.refuse("", "has a member that cannot be translated")


def read(raw: bytes, code: ErrorCode) -> dict[str, Any]:
    """The JSON object in ``raw``.

    Raises:
        Rejected: With ``code``: it is none.
    """
    try:
        value = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Rejected(code, "the body to translate is not JSON") from None
    if not isinstance(value, dict):
        raise Rejected(code, "the body to translate is not an object")
    return value


def write(value: Any, code: ErrorCode) -> bytes:
    """``value`` as JSON in UTF-8.

    Raises:
        Rejected: With ``code``: it has a number or a character that JSON cannot have.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise Rejected(code, "the translated body has a number or character that JSON cannot have") from None


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")
