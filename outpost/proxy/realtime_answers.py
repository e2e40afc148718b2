"""What a provider says over a WebSocket, event by event: what may go to the client now, and what was found.

One inspector reads on as long as a text is open; then the next one takes over if the policy or the names to restore
have changed. Where models look, events wait until these have decided about the texts in them. Texts that have ended
stay so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import Facts, evaluate
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.inspection import Models, look_for, off_loop
from outpost.proxy.redaction import Redactor, Restorer
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces import openai_realtime
from outpost.proxy.surfaces.openai_realtime import MAX_TEXTS, RealtimeStream
from outpost.proxy.watcher import Watcher, watcher_for


@dataclass(frozen=True, slots=True)
class Noted:
    """What there is to be recorded of the answers since the last time."""

    decision: Decision
    findings: Sequence[Finding]
    prompt_tokens: int | None
    completion_tokens: int | None


class Answers:
    """The provider's side of one connection."""

    def __init__(self, models: Models | None, model: str, redactor: Redactor, asked: Redactor) -> None:
        """``redactor`` is of the answers; ``asked``, of the client's events, knows what to restore."""
        self.shape = RealtimeStream()
        self.refused: Decision | None = None
        """Why nothing more goes out."""
        self._models = models
        self._model = model
        self._redactor = redactor
        self._asked = asked
        self._finished: set[str | int] = set()
        self._noted = 0
        self._enforcement: Enforcement | None = None
        self._inspector: StreamInspector | None = None
        self._stale = False
        self._watcher: Watcher | None = None

    @property
    def busy(self) -> bool:
        """A response is on its way to the client."""
        held = self._inspector is not None and not self._inspector.idle
        return self.shape.answering or held

    def names_may_have_changed(self) -> None:
        """A client's event was redacted since."""
        self._stale = True

    async def feed(self, raw: bytes, enforcement: Enforcement, group: str) -> list[bytes]:
        """Take one event; the events that may go out now, in order.

        Raises:
            Rejected: ``provider_invalid_response``: it is not an event of this API.
            CouldNotInspect: A text is beyond the bounds, or models say nothing.
        """
        if self.refused is not None:
            return []
        data = openai_realtime.own_words(raw)
        event = sse.Event(data, data)
        self._renew(enforcement, Facts(openai_realtime.NAME, self._model, group, Direction.OUTPUT))
        if self._inspector is not None and self._inspector.blocked:  # whatever is said
            self.refused = self._inspector.blocked
            return []
        return await self._read(event)

    def take(self) -> Noted | None:
        """What ``feed`` found; ``None`` if that is nothing and no response ended. To be asked after each event."""
        inspector = self._inspector
        if inspector is None or not (inspector.findings or inspector.blocked or self.shape.ended != self._noted):
            return None
        self._noted = self.shape.ended
        decision = inspector.blocked or _strictest(inspector.decisions)
        noted = Noted(decision, [*inspector.findings], inspector.prompt_tokens, inspector.completion_tokens)
        inspector.findings.clear()
        del inspector.decisions[1:]
        inspector.prompt_tokens = inspector.completion_tokens = None
        return noted

    def _renew(self, enforcement: Enforcement, facts: Facts) -> None:
        """Change over to what is in force now, if no text is open under what was before."""
        if self._inspector is not None and not self._inspector.idle:
            return
        look = look_for(self._models, enforcement, facts)
        is_same = enforcement is self._enforcement and (look is None) == (self._watcher is None)
        if is_same and not self._stale and self._inspector is not None:
            return
        self.close()
        self._watcher = watcher_for(look)
        self._stale = False
        self._enforcement = enforcement
        self._inspector = StreamInspector(
            enforcement.engine,
            partial(evaluate, enforcement.policy, facts),
            self.shape,
            self._redactor,
            Restorer(dict(self._asked.names)),
            None if self._watcher is None else self._watcher.watch,
        )
        self._inspector.frame = _plain
        self._inspector.finished = self._finished

    def close(self) -> None:
        """Nothing more comes."""
        if self._watcher is not None:
            self._watcher.close()

    async def _read(self, event: sse.Event) -> list[bytes]:
        inspector = self._inspector
        if inspector is None:
            return []
        out = await off_loop(len(event.raw), partial(inspector.feed, event))
        if self._watcher is not None and await self._watcher.answer():
            out += inspector.settle()
        self.refused = inspector.blocked
        if len(self._finished) > MAX_TEXTS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_TEXTS} texts in one connection")
        return out


def _plain(data: bytes, _name: bytes | None) -> bytes:
    return data


def _strictest(decisions: Sequence[Decision]) -> Decision:
    redacting = (decision for decision in decisions if decision.action is Action.REDACT)
    return next(redacting, decisions[0])
