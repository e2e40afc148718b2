"""``smoke.json``: texts and what must be decided about them, tried before a bundle is applied.

A case that comes out differently refuses the whole bundle (``outpost/policy/smoke.py``), so a policy that would let
a planted card number through never takes effect. Texts are examples: they are published and must hold nothing real.
"""

from typing import Annotated

from pydantic import Field, model_validator

from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import Document, Name, RouteTo, SchemaVersion, require_unique

# 200 cases of a page each are scanned in well under a second, the most that an apply may take.
MAX_CASES = 200
MAX_CASE_CHARS = 4_000

Fact = Annotated[str, Field(min_length=1, max_length=256)]


class Expectation(Document):
    """What must be decided."""

    action: Action
    kinds: list[Annotated[str, Field(min_length=1, max_length=80)]] | None = Field(default=None, max_length=100)
    """Exactly the kinds that the deciding rule matched, in any order; absent means they do not matter."""
    route_to: RouteTo | None = None
    """Exactly where ``ROUTE_TO`` must send it; absent means that it does not matter."""


class SmokeCase(Document):
    """One text with its circumstances. A fact that is absent is one that no rule names."""

    id: Name
    text: str = Field(max_length=MAX_CASE_CHARS)
    direction: Direction
    surface: Fact | None = None
    model: Fact | None = None
    group: Fact | None = None
    expect: Expectation


class SmokeDocument(Document):
    """``smoke.json``."""

    schema_version: SchemaVersion
    cases: list[SmokeCase] = Field(default=[], max_length=MAX_CASES)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "SmokeDocument":
        require_unique("case id", [case.id for case in self.cases])
        return self
