"""Models that find words which a test can plant, without a process. The real ones: ``tests/fakes/model_pack.py``."""

import asyncio
import re

from outpost.errors import ModelUnavailable
from outpost.models.results import ModelFinding, Settled, TextResult
from outpost.protocol.findings import Finding, Tier

NAME = "Ana Silva"
HELD_CHARS = 20
"""Of a text that grows, so many are decided later: more than ``NAME`` has."""


class FakeModels:
    """Finds ``NAME``, and an attack in any text with ``ignore``; ``down`` answers nothing. Keeps what it was asked.

    ``memory`` is what it said, by text and weak findings, or None if it forgets.
    """

    def __init__(self, kinds=("pii.person", "attack.jailbreak"), memory=None):
        self.memory = memory
        self.kinds = None if kinds is None else frozenset(kinds)
        self.down = False
        self.asked = []
        self.priorities = []
        self.judged_whole = frozenset()
        self.following = []
        self.slow_s = 0.0

    def follow(self, wanted, *, pack=None):
        assert wanted.judged_whole == self.judged_whole
        self.wanted = wanted.kinds
        if self.down:
            raise ModelUnavailable("down")
        self.following.append(FakeFollowing(self))
        return self.following[-1]

    def remembered(self, text, weak=(), *, pack=None, topics=None):
        if self.down:
            raise ModelUnavailable("down")
        return None if self.memory is None else self.memory.get((text, *weak))

    async def look(self, text, weak=(), *, priority=0, pack=None, topics=None):
        self.asked.append(text)
        self.priorities.append(priority)
        if self.down:
            raise ModelUnavailable("down")
        spans = [("pii.person", *m.span(), Tier.ENTITY_MODEL) for m in re.finditer(NAME, text)]
        if "ignore" in text:
            spans.append(("attack.jailbreak", 0, len(text), Tier.CONTEXT_MODEL))
        found = [Finding(kind, start, end, 0.9, "fake/head", tier) for kind, start, end, tier in spans]
        doubted = tuple(n for n, f in enumerate(weak) if "not real" in text)
        result = TextResult(tuple(ModelFinding(f, "X", 0.9, 0.5, (0, len(text))) for f in found), doubted=doubted)
        if self.memory is not None:
            self.memory[text, *weak] = result
        return result


class FakeFollowing:
    """A text that grows; ``NAME`` and the word ``ignore`` are found in it."""

    def __init__(self, models):
        self._models = models
        self.text = ""
        self.added = []
        self.upto = 0
        self.closed = False
        self._weak = []

    async def add(self, text, weak=(), *, last):
        assert not self.closed
        await asyncio.sleep(self._models.slow_s)
        if self._models.down:
            raise ModelUnavailable("down")
        return self.said(text, weak, last=last)

    def said(self, text, weak=(), *, last):
        """What is settled now; never more than a continuation could not change."""
        self.text += text
        self._weak += weak
        self.added.append((text, last))
        if last:
            self._models.asked.append(self.text)
        spans = [("pii.person", "X", *m.span(), Tier.ENTITY_MODEL) for m in re.finditer(NAME, self.text)]
        spans += [("attack.jailbreak", "Y", *m.span(), Tier.CONTEXT_MODEL) for m in re.finditer("ignore", self.text)]
        before, at = self.upto, len(self.text) if last else max(self.upto, len(self.text) - HELD_CHARS)
        at = min([start for _, _, start, end, _ in spans if start < at < end], default=at)
        self.upto = at
        found = [
            ModelFinding(Finding(kind, start, end, 0.9, "fake/head", tier), label, 0.9, 0.5, (start, end))
            for kind, label, start, end, tier in spans
            if before <= start and end <= at
        ]
        doubted = [n for n, f in enumerate(self._weak) if "not real" in self.text and before < f.end <= at]
        return Settled(at, tuple(found), tuple(doubted), 5, max(len(self.text) // 4, 1), 1)

    def close(self):
        self.closed = True


def answered(watch, following, models=None):
    """Say to a ``Watch`` what is due, as ``Watcher`` does; ``following`` keeps what was begun. Whether anything was."""
    due = list(watch.due())
    for text, addition in due:
        if text.whole:
            names = [Finding("pii.person", *m.span(), 0.9, "m", 2) for m in re.finditer(NAME, addition.text)]
            text.answered_whole([*text.patterns(), *names])
            continue
        grown = following.setdefault(text, FakeFollowing(models or FakeModels()))
        text.answered(grown.said(addition.text, addition.weak, last=addition.last))
    return bool(due)
