"""What an ONNX file says of itself, without reading its graph: the operator set, and whether it is whole.

A protobuf message of named fields (onnx.proto3, ``ModelProto``); only ``opset_import`` (field 8) and the length of
``graph`` (field 7) are looked at. Any bytes give an answer or ``PackInvalid``.
"""

from collections.abc import Iterator
from typing import Final

from outpost.errors import PackInvalid

_GRAPH, _OPSETS = 7, 8
_DOMAIN, _VERSION = 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5  # wire types (protobuf encoding)
_FIXED: Final = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_MAX_VARINT_BYTES: Final = 10


def opset(content: bytes) -> int:
    """The version of the default operator set.

    Raises:
        PackInvalid: It is no ONNX model, or names none.
    """
    has_graph = False
    version: int | None = None
    for field, value in _fields(memoryview(content)):
        has_graph = has_graph or (field == _GRAPH and not isinstance(value, int))
        if field == _OPSETS and not isinstance(value, int):
            found = dict(_fields(value))
            domain, number = found.get(_DOMAIN, memoryview(b"")), found.get(_VERSION, 0)
            if isinstance(number, int) and not isinstance(domain, int) and bytes(domain) in (b"", b"ai.onnx"):
                version = number
    if version is None or not has_graph:
        raise PackInvalid("not an ONNX model")
    return version


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise PackInvalid("not an ONNX model")
        if at + length > len(message):
            raise PackInvalid("an ONNX model that is cut short")
        yield field, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at + shift >= len(message):
            raise PackInvalid("an ONNX model that is cut short")
        byte = message[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no high bit
            return value, at + shift + 1
    raise PackInvalid("not an ONNX model")
