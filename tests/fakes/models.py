"""Models that find words which a test can plant, without a process. The real ones: ``tests/fakes/model_pack.py``."""

import re

from outpost.errors import ModelUnavailable
from outpost.models.results import ModelFinding, TextResult
from outpost.protocol.findings import Finding, Tier

NAME = "Ana Silva"


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
