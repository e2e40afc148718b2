"""What a worker and the one writer of the audit log say to each other, in bytes of fixed shape (ADR 0010).

An event goes up as length, number, urgency and its canonical bytes; a number comes back with the event's place in the
log, or -1 if it could not be made durable. Both ends are ours, but a worker reads what strangers send and may do
anything when it breaks: any bytes give messages or ``FramesInvalid``, after which the connection is of no more use.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from outpost.audit.event import MAX_EVENT_BYTES

_SUBMISSION: Final = struct.Struct(">IQB")
"""Bytes of the event, number, whether it is urgent."""
_ANSWER: Final = struct.Struct(">Qq")
"""Number, place in the log."""
_NOT_DURABLE: Final = -1


class FramesInvalid(ValueError):
    """What came is no message. Quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An event on its way to the log; its ``number`` is the worker's, for the answer."""

    number: int
    urgent: bool
    event: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a submission: its ``seq`` in the log, on disk; None if it could not be made durable."""

    number: int
    seq: int | None


def encode_submission(submission: Submission) -> bytes:
    """One frame."""
    head = _SUBMISSION.pack(len(submission.event), submission.number, submission.urgent)
    return head + submission.event


def encode_answers(answers: Iterable[Answer]) -> bytes:
    """Frames, one behind the other."""
    return b"".join(
        _ANSWER.pack(answer.number, _NOT_DURABLE if answer.seq is None else answer.seq) for answer in answers
    )


class SubmissionReader:
    """Cuts what a worker sends into submissions."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Submission]:
        """The submissions that are whole now.

        Raises:
            FramesInvalid: An event of impossible size, or a flag that is none.
        """
        self._buffer += data
        found, start = [], 0
        while len(self._buffer) - start >= _SUBMISSION.size:
            length, number, urgent = _SUBMISSION.unpack_from(self._buffer, start)
            if not 0 < length <= MAX_EVENT_BYTES:
                raise FramesInvalid("an event has an impossible size")
            if urgent > 1:
                raise FramesInvalid("a flag is neither set nor unset")
            end = start + _SUBMISSION.size + length
            if len(self._buffer) < end:
                break
            found.append(Submission(number, bool(urgent), bytes(self._buffer[start + _SUBMISSION.size : end])))
            start = end
        del self._buffer[:start]
        return found


class AnswerReader:
    """Cuts what the writer sends into answers."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are whole now.

        Raises:
            FramesInvalid: A place that no event can have.
        """
        self._buffer += data
        whole = len(self._buffer) - len(self._buffer) % _ANSWER.size
        found = []
        for number, seq in _ANSWER.iter_unpack(self._buffer[:whole]):
            if seq < _NOT_DURABLE:
                raise FramesInvalid("an event has an impossible place")
            found.append(Answer(number, None if seq == _NOT_DURABLE else seq))
        del self._buffer[:whole]
        return found
