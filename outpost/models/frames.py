"""What a proxy and the inference process say to each other: JSON objects, each after its length in four bytes.

Both ends are ours and run the same version, but the process reads texts of strangers and may do anything when it
breaks: any bytes give messages or ``FrameInvalid``, after which the connection is of no more use.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from outpost.models.results import ModelFinding, Settled, TextResult
from outpost.protocol.findings import Finding, Tier

MAX_FRAME_BYTES: Final = 256 * 1024 * 1024  # the longest text that the engine takes, escaped
_LENGTH: Final = struct.Struct(">I")

Message = dict[str, Any]


class FrameInvalid(ValueError):
    """What came is no message. Quotes nothing of it."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame."""
    content = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(content)) + content


class FrameReader:
    """Cuts what arrives into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole now.

        Raises:
            FrameInvalid: A frame is too long, or no JSON object.
        """
        self._buffer += data
        messages = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > MAX_FRAME_BYTES:
                raise FrameInvalid("a frame is too long")
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(_parsed(bytes(self._buffer[start + _LENGTH.size : end])))
            start = end
        del self._buffer[:start]
        return messages


def finding_to_json(finding: Finding) -> list[Any]:
    """A finding in a message."""
    return [finding.kind, finding.start, finding.end, finding.score, finding.detector, int(finding.tier)]


def finding_from_json(value: Any) -> Finding:
    """The finding that ``finding_to_json`` wrote.

    Raises:
        FrameInvalid: It is none.
    """
    try:
        kind, start, end, score, detector, tier = value
        if not isinstance(kind, str) or not isinstance(detector, str) or not 0 <= start <= end or not 0 <= score <= 1:
            raise FrameInvalid("a finding is malformed")
        return Finding(kind, int(start), int(end), float(score), detector, Tier(tier))
    except (TypeError, ValueError, OverflowError) as err:
        raise FrameInvalid("a finding is malformed") from err


def result_to_json(result: TextResult) -> Message:
    """A result in a message; vectors stay where they were made, for nobody else compares them."""
    return {
        "findings": _findings_to_json(result.findings),
        "labels": dict(result.labels),
        "doubted": result.doubted,
        "tokens": result.tokens,
        "windows": result.windows,
    }


def result_from_json(value: Any) -> TextResult:
    """The result that ``result_to_json`` wrote.

    Raises:
        FrameInvalid: It is none.
    """
    try:
        return TextResult(
            tuple(_model_finding(item) for item in value["findings"]),
            MappingProxyType({str(name): float(score) for name, score in value["labels"].items()}),
            _indices(value["doubted"]),
            MappingProxyType({}),
            int(value["tokens"]),
            int(value["windows"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise FrameInvalid("a result is malformed") from err


def settled_to_json(settled: Settled) -> Message:
    """What is settled of a text that grows, in a message."""
    return {**asdict(settled), "findings": _findings_to_json(settled.findings)}


def settled_from_json(value: Any) -> Settled:
    """What ``settled_to_json`` wrote.

    Raises:
        FrameInvalid: It is nothing of that sort.
    """
    try:
        settled = Settled(
            int(value["upto"]),
            tuple(_model_finding(item) for item in value["findings"]),
            _indices(value["doubted"]),
            int(value["lacking"]),
            int(value["tokens"]),
            int(value["windows"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise FrameInvalid("a result is malformed") from err
    if settled.upto < 0 or any(item.finding.end > settled.upto for item in settled.findings):
        raise FrameInvalid("a finding lies where nothing is settled yet")
    return settled


def _findings_to_json(findings: Iterable[ModelFinding]) -> list[Message]:
    return [{**asdict(item), "finding": finding_to_json(item.finding)} for item in findings]


def _model_finding(value: Any) -> ModelFinding:
    start, end = value["window"]
    return ModelFinding(
        finding_from_json(value["finding"]),
        str(value["label"]),
        float(value["probability"]),
        float(value["threshold"]),
        (int(start), int(end)),
        tuple((str(label), float(probability)) for label, probability in value["alternatives"]),
    )


def _indices(values: Iterable[Any]) -> tuple[int, ...]:
    indices = tuple(int(index) for index in values)
    if any(index < 0 for index in indices):  # it would count from the end, and another finding be held for false
        raise ValueError("a doubted finding has no index")
    return indices


def _parsed(content: bytes) -> Message:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise FrameInvalid("a frame is no JSON") from err
    if not isinstance(message, dict):
        raise FrameInvalid("a frame is no object")
    return message
