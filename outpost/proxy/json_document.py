"""A JSON body as it was received: strictly parsed, every text in it reachable, changed only where it must be.

``parse_json`` accepts exactly what every careful parser reads the same way (RFC 8259 with I-JSON's limits,
RFC 7493 §2: UTF-8, no duplicate names, no lone surrogates), so the provider cannot see another document than
the one inspected. ``replace_texts`` splices new strings into the received bytes and leaves all others as they
are (docs/adr/0007).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, NoReturn

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.json_tokens import TOKEN

MAX_DEPTH: Final = (
    64  # deepest nesting in OpenAI's published request schema is about 12; JSON Schemas of tools add some
)
MAX_EMBEDDED: Final = 3  # JSON inside strings inside JSON: tool arguments that carry a payload of their own

_JSON_SPACE: Final = " \t\n\r"  # RFC 8259 §2
_BEFORE_JSON: Final = frozenset("{[" + _JSON_SPACE)
# A number of more digits than this is written out by nobody's program; its digits as written are inspected.
_MAX_EXPONENT: Final = 30


class Number:
    """A JSON number with a fraction or exponent, kept as written so that its digits can be inspected."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Leaf(NamedTuple):
    """One string, object name or number. A tuple, because a request makes dozens of them.

    Attributes:
        ordinal: Position among all strings, names and numbers of the outermost document.
        path: Names and indices from the outermost document; a name is its own last element.
        text: The decoded text, or a number: a whole one as its digits (``4.2e1`` is ``42``), others as written.
        is_name: It is an object's member name.
        is_number: It is a number.
        inner: Ordinals inside documents embedded in this string, from the outside in; empty if not embedded.
    """

    ordinal: int
    path: tuple[str | int, ...]
    text: str
    is_name: bool = False
    is_number: bool = False
    inner: tuple[int, ...] = ()


# As ``Leaf(...)``, but in a third of the time, of which a long conversation would spend most on this.
_leaf: Final = partial(tuple.__new__, Leaf)


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """Received bytes and the value they stand for."""

    raw: bytes
    value: Any


def parse_json(raw: bytes) -> JsonDocument:
    """Parse a body.

    Raises:
        Rejected: ``invalid_request``; the message says what is wrong and where, without any of the content.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"the body is not UTF-8 (byte {err.start})") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as err:
        where = f"line {err.lineno} column {err.colno}"
        raise Rejected(ErrorCode.INVALID_REQUEST, f"the body is not valid JSON: {err.msg} ({where})") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # an integer of more digits than Python converts
        raise Rejected(ErrorCode.INVALID_REQUEST, "the body has a number with too many digits") from None
    objects = text.count("{")
    if objects > MAX_DEPTH or objects + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    if "\\" in text and "\\u" in text:  # one character is found thirty times as fast as two
        _check_surrogates(value)
    return JsonDocument(raw, value)


def walk(
    document: JsonDocument, *, embedded: bool = True, left_out: frozenset[str] = frozenset(), vectors: str | None = None
) -> list[Leaf]:
    """Every string, name and number in the order of the document's bytes, but for the names in ``left_out``.

    Lists of nothing but numbers in members called ``vectors`` are left out.

    A string that is itself a JSON object or array is replaced by its own leaves if ``embedded``, so that escapes
    inside it hide nothing and a replacement keeps it valid JSON.
    """
    leaves: list[Leaf] = []
    _collect(document.value, (), _Walk(count(), left_out, leaves, vectors), MAX_EMBEDDED if embedded else 0)
    return leaves


class _Walk(NamedTuple):
    """What stays the same throughout one document."""

    ordinals: Iterator[int]
    left_out: frozenset[str]
    out: list[Leaf]
    vectors: str | None


def replace_texts(raw: bytes, replacements: Mapping[tuple[int, ...], str]) -> bytes:
    """Put new texts in place of some leaves; every other byte stays.

    Args:
        raw: A document that ``parse_json`` accepted.
        replacements: New text by ``(ordinal, *inner)`` of the leaf. A number becomes a string.
    """
    own = {key[0]: text for key, text in replacements.items() if len(key) == 1}
    embedded: dict[int, dict[tuple[int, ...], str]] = {}
    for key, text in replacements.items():
        if len(key) > 1:
            embedded.setdefault(key[0], {})[key[1:]] = text
    pieces: list[bytes] = []
    end = 0
    for ordinal, token in enumerate(TOKEN.finditer(raw)):
        if ordinal in own:
            new = own[ordinal]
        elif ordinal in embedded:
            inner = json.loads(token.group()).encode()
            new = replace_texts(inner, embedded[ordinal]).decode()
        else:
            continue
        pieces += (raw[end : token.start()], json.dumps(new, ensure_ascii=False).encode())
        end = token.end()
    pieces.append(raw[end:])
    return b"".join(pieces)


def _collect(value: Any, path: tuple[str | int, ...], walk: _Walk, embed: int) -> None:
    """Append the leaves of ``value``. The order of tests is the order of how often each kind occurs."""
    ordinals, left_out, out, _ = walk
    if isinstance(value, str):
        if embed and value.lstrip(_JSON_SPACE).startswith(("{", "[")):
            _collect_embedded(value, path, walk, embed)
        else:
            out.append(_leaf((next(ordinals), path, value, False, False, ())))
    elif isinstance(value, dict):
        for name, member in value.items():
            inside = (*path, name)
            ordinal = next(ordinals)
            if name not in left_out:
                out.append(_leaf((ordinal, inside, name, True, False, ())))
            if isinstance(member, str) and member[:1] not in _BEFORE_JSON:  # what most members are, without a call
                out.append(_leaf((next(ordinals), inside, member, False, False, ())))
            else:
                _collect(member, inside, walk, embed)
    elif isinstance(value, list):
        _collect_list(value, path, walk, embed)
    elif isinstance(value, Number):
        out.append(Leaf(next(ordinals), path, _digits(value.text), is_number=True))
    elif isinstance(value, int) and not isinstance(value, bool):
        out.append(Leaf(next(ordinals), path, str(value), is_number=True))


def _collect_embedded(value: str, path: tuple[str | int, ...], walk: _Walk, embed: int) -> None:
    ordinal, inner = next(walk.ordinals), _embedded(value)
    if inner is None:
        walk.out.append(Leaf(ordinal, path, value))
        return
    within: list[Leaf] = []
    _collect(inner, path, _Walk(count(), walk.left_out, within, None), embed - 1)
    walk.out.extend(leaf._replace(ordinal=ordinal, inner=(leaf.ordinal, *leaf.inner)) for leaf in within)


def _collect_list(value: list[Any], path: tuple[str | int, ...], walk: _Walk, embed: int) -> None:
    if walk.vectors is not None and path and path[-1] == walk.vectors and all(map(_is_number, value)):
        for _ in value:
            next(walk.ordinals)
        return
    for index, item in enumerate(value):
        _collect(item, (*path, index), walk, embed)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool))


def _digits(number: str) -> str:
    """A number as its digits if it is whole, so that ``4111111111111111.0`` and ``4.1e15`` hide nothing."""
    try:
        value = Decimal(number)
        whole = value == value.to_integral_value() and value.adjusted() <= _MAX_EXPONENT
    except ArithmeticError:  # more digits or a larger exponent than the context takes
        return number
    return f"{value:.0f}" if whole else number


def _embedded(text: str) -> Any:
    """The object or array that ``text`` is, or ``None`` if it is plain text."""
    try:
        value = parse_json(text.encode()).value
    except Rejected:
        return None
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Parsers differ on which of two equal names counts; RFC 8259 §4 leaves it open.
        raise Rejected(ErrorCode.INVALID_REQUEST, "the body has an object with a duplicate name")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise Rejected(ErrorCode.INVALID_REQUEST, "the body has NaN or Infinity, which JSON does not know")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_members, parse_float=Number, parse_constant=_no_constant)


_CONTAINERS: Final = (dict, list)  # a tuple: a union is asked five times as slowly


def _check_depth(value: Any) -> None:
    level: list[Any] = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return
    raise _too_deep()


def _check_surrogates(value: Any) -> None:
    for leaf in walk(JsonDocument(b"", value), embedded=False):
        try:
            leaf.text.encode()
        except UnicodeEncodeError:
            raise Rejected(ErrorCode.INVALID_REQUEST, "the body has a lone surrogate escape") from None


def _too_deep() -> Rejected:
    return Rejected(ErrorCode.INVALID_REQUEST, f"the body is nested deeper than {MAX_DEPTH} levels")
