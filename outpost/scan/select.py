"""Which findings count, and whether a file would pass. Pure.

A policy decides about everything that was found, as it would in the proxy; what a person asked to see (``kinds``,
``min_score``) narrows what is listed and what fails, never what the policy is told.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from outpost.policy.evaluate import CompiledPolicy, Facts, evaluate
from outpost.protocol.decisions import Action
from outpost.protocol.documents import kind_matches
from outpost.protocol.findings import Finding
from outpost.scan.results import BINARY, FileResult, Result, Verdict

_PATTERN: Final = re.compile(r"\*|[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*(?:\.\*)?")
NONE: Final = "none"
"""As ``--fail-on``: findings alone never fail."""


class KindUnknown(ValueError):
    """A name that is no kind; the message suggests the nearest ones."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is listed.

    Attributes:
        kinds: Patterns such as ``pii.*``; None means all.
        min_score: Least score, 0 to 1.
    """

    kinds: tuple[str, ...] | None = None
    min_score: float = 0.0

    def lists(self, finding: Finding) -> bool:
        """Whether ``finding`` is one of those asked for."""
        return finding.score >= self.min_score and self.lists_kind(finding.kind)

    def lists_kind(self, kind: str) -> bool:
        """Whether findings of ``kind`` are asked for."""
        return self.kinds is None or any(kind_matches(pattern, kind) for pattern in self.kinds)


def parse_kinds(given: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Patterns from ``a.b,c.*`` lists; ``pii`` alone means ``pii.*``.

    Raises:
        KindUnknown: One matches nothing that can be found.
    """
    patterns = []
    for name in (part.strip() for text in given for part in text.split(",")):
        if not name:
            continue
        candidates = (name, f"{name}.*") if _PATTERN.fullmatch(name) else ()
        pattern = next((c for c in candidates if any(kind_matches(c, kind) for kind in known)), None)
        if pattern is None:
            hint = _suggestion(name, known)
            raise KindUnknown(f"nothing is found as {name!r}{hint}")
        patterns.append(pattern)
    return tuple(patterns)


def _suggestion(name: str, known: Collection[str]) -> str:
    """By the whole name or by one part of it."""
    named = {part: kind for kind in sorted(known) for part in (*kind.split("."), kind)}
    named |= {kind.partition(".")[0]: kind.partition(".")[0] + ".*" for kind in known}
    near = dict.fromkeys(named[part] for part in get_close_matches(name, named, n=3))
    return f"; did you mean {' or '.join(near)}?" if near else ""


def judge(policy: CompiledPolicy, facts: Facts, findings: Sequence[Finding], *, binary: bool) -> Verdict:
    """What ``policy`` says about a file with these findings."""
    told = [*findings, Finding(BINARY, 0, 0, 1.0, "content")] if binary else findings
    decision = evaluate(policy, facts, told)
    return Verdict(decision.action, decision.rule_id, decision.reason, decision.kinds)


def fails(result: Result, fail_on: tuple[str, ...] | None) -> bool:
    """Whether the command ends with 1 because of ``result``: blocked, not inspected, or found what counts.

    ``fail_on`` None means that everything listed counts, unless a policy has decided.
    """
    return bool(result.problems) or any(_fails(file, fail_on) for file in result.files)


def _fails(file: FileResult, fail_on: tuple[str, ...] | None) -> bool:
    if file.verdict is not None and file.verdict.action is Action.BLOCK:
        return True
    if fail_on is None:
        return file.verdict is None and bool(file.hits or file.binary or file.omitted)
    kinds = {hit.kind for hit in file.hits} | ({BINARY} if file.binary else set())
    # Which kinds the findings beyond the list have is not known, so they count.
    return bool(file.omitted and fail_on) or any(kind_matches(pattern, kind) for pattern in fail_on for kind in kinds)
