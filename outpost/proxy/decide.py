"""What happens to one body: inspect, evaluate, redact until nothing objectionable is left. Pure.

The input pass decides about a request, the output pass about an answer; both run the same steps. A redaction
is inspected again before it may leave, because a label can set free a text that stood glued to what it replaced.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from outpost.errors import CouldNotInspect, Rejected
from outpost.policy.evaluate import CompiledPolicy, Facts, evaluate
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Redaction
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import JsonDocument
from outpost.proxy.redaction import Redactor
from outpost.proxy.segments import EachScanner, Located, Segment, inspect, redact_document, text_of

MAX_ROUNDS: Final = 8  # each removes what the one before set free; two were the most seen in fuzzing


class Inspectable(Protocol):
    """A parsed body (``surfaces/``)."""

    @property
    def document(self) -> JsonDocument:
        """The bytes and their value."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every text."""

    @property
    def unscannable(self) -> tuple[Located, ...]:
        """Everything that is not text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one body, what it rests on, and the bytes that may go on.

    Attributes:
        decision: Never ``ALLOW`` when ``body`` differs from what came in.
        located: Every finding of the first inspection.
        body: What may be sent; ``None`` if blocked. The received bytes themselves unless redacted.
    """

    decision: Decision
    located: tuple[Located, ...]
    body: bytes | None


class Question(NamedTuple):
    """A text for models, what patterns found in it, and whether it is what nobody at this end has said."""

    text: str
    patterns: list[Finding]
    untrusted: bool = False


Answers = list[list[Finding]] | None
"""All findings of each text that was asked about; None at the beginning."""
Judging = Generator[list[Question], Answers, Verdict]
"""Decides step by step: yields questions, takes their answers, and returns the verdict."""


def judge(
    scanner: EachScanner,
    policy: CompiledPolicy,
    facts: Facts,
    parsed: Inspectable,
    parse: Callable[[bytes], Inspectable],
    redactor: Redactor | None = None,
) -> Verdict:
    """Decide about a parsed body by patterns alone.

    ``parse`` reads a redacted one again, ``redactor`` says what takes a finding's place.

    Raises:
        CouldNotInspect: It cannot be inspected within the scanner's bounds, or does not become clean.
    """
    judging = judge_with_models(scanner, policy, facts, parsed, parse, redactor)
    step = advance(judging)
    while not isinstance(step, Verdict):
        step = advance(judging, [question.patterns for question in step])
    return step


def advance(judging: Judging, answers: Answers = None) -> list[Question] | Verdict:
    """The next questions, or the verdict; ``answers`` are those to the questions before, in their order.

    Raises:
        CouldNotInspect: As ``judge``.
    """
    try:
        return judging.send(answers)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict


def judge_with_models(
    scanner: EachScanner,
    policy: CompiledPolicy,
    facts: Facts,
    parsed: Inspectable,
    parse: Callable[[bytes], Inspectable],
    redactor: Redactor | None = None,
) -> Judging:
    """``judge``, asking models about every text, and again about those that a redaction made."""
    located = yield from _find(scanner, parsed)
    decision = _evaluate(policy, facts, located)
    verdict = Verdict(decision, tuple(located), None)
    for _ in range(MAX_ROUNDS):
        if decision.action is Action.BLOCK:
            return Verdict(decision, verdict.located, None)
        if decision.destination is not None and verdict.decision.destination is None:
            # A redaction set free what the policy wants to go elsewhere.
            verdict = Verdict(replace(decision, redact=(), redactions=()), verdict.located, None)
        if decision.action is not Action.REDACT and not decision.redact:
            return Verdict(verdict.decision, verdict.located, parsed.document.raw)
        redacted = _redact(parsed, located, decision, redactor)
        if redacted == parsed.document.raw:
            # What the policy wants redacted has no text that could be (an image): nothing to replace, so refuse.
            return Verdict(unredactable(decision), verdict.located, None)
        try:
            parsed = parse(redacted)
        except Rejected:
            # Two member names became the same, or a name the body needs is gone: what is left is no such body.
            return Verdict(unredactable(decision), verdict.located, None)
        found = yield from _find(scanner, parsed)
        located = [item for item in found if not _is_made(redactor, parsed, item)]
        decision = _evaluate(policy, facts, located)
    raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"not clean after {MAX_ROUNDS} rounds of redaction")


def _find(scanner: EachScanner, parsed: Inspectable) -> Generator[list[Question], Answers, list[Located]]:
    patterns: dict[int, list[Finding]] = {}
    for item in inspect(scanner, parsed.segments):
        patterns.setdefault(item.segment, []).append(item.finding)
    # What only stands across two texts is found by patterns; each of the texts is asked about by itself.
    asked = [n for n, segment in enumerate(parsed.segments) if not segment.seams_only and segment.text.strip()]
    answers = yield [
        Question(parsed.segments[n].text, patterns.get(n, []), parsed.segments[n].untrusted) for n in asked
    ]
    found = patterns | dict(zip(asked, answers or (), strict=True))
    return [*parsed.unscannable, *(Located(n, finding) for n in sorted(found) for finding in found[n])]


def _redact(parsed: Inspectable, located: Sequence[Located], decision: Decision, redactor: Redactor | None) -> bytes:
    if redactor is None:
        return redact_document(parsed.document, parsed.segments, [located[index] for index in decision.redact])
    modes = _united({located[index]: mode for index, mode in decision.to_redact()})
    # What stands outside the conversation (a system prompt, tools) comes first, for it is there from the first turn on.
    in_order = sorted(modes, key=lambda item: ("[" in parsed.segments[item.segment].name, item.segment))
    return redact_document(
        parsed.document,
        parsed.segments,
        in_order,
        lambda item, text: redactor.replacement(item.finding, text, modes[item]),
    )


def _united(modes: Mapping[Located, Redaction]) -> dict[Located, Redaction]:
    """Findings that overlap and are to be restored, as one: what is put back must be all that was taken out.

    Where one of them must not be restored, nothing of them is.
    """
    united: dict[Located, Redaction] = {}
    group: list[Located] = []
    for item in [*sorted(modes, key=lambda i: (i.segment, i.finding.start, -i.finding.end)), None]:
        overlaps = group and item is not None and item.segment == group[0].segment
        if item is not None and overlaps and item.finding.start < max(one.finding.end for one in group):
            group.append(item)
            continue
        if len(group) > 1 and any(modes[one] is Redaction.RESTORE for one in group):
            chosen = next((one for one in group if modes[one] is not Redaction.RESTORE), group[0])
            start, end = group[0].finding.start, max(one.finding.end for one in group)
            united[Located(chosen.segment, replace(chosen.finding, start=start, end=end))] = modes[chosen]
        else:
            united |= {one: modes[one] for one in group}
        group = [] if item is None else [item]
    return united


def _is_made(redactor: Redactor | None, parsed: Inspectable, item: Located) -> bool:
    return redactor is not None and redactor.made(text_of(parsed.segments, item))


def _evaluate(policy: CompiledPolicy, facts: Facts, located: Sequence[Located]) -> Decision:
    return evaluate(policy, facts, [item.finding for item in located])


def unredactable(decision: Decision) -> Decision:
    """A refusal by the rule that wanted a redaction which is not possible."""
    reason = "the policy asks to redact content in which nothing can be redacted"
    return Decision(Action.BLOCK, decision.rule_id, reason, kinds=decision.kinds)
