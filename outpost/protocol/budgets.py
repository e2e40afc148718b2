"""``budgets.json``: what a key or a group may spend in a calendar month (UTC).

The language is fixed here; this version cannot enforce it yet, and so refuses a bundle that asks for any budget
(``outpost/policy/compile.py``): a signed limit that nobody keeps would be a promise broken in silence (ADR-0004).
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from outpost.protocol.documents import Document, Name, SchemaVersion, require_unique

# RFC 8259 §6: beyond this JSON readers disagree.
Amount = Annotated[int, Field(ge=1, le=2**53 - 1)]


class AtLimit(StrEnum):
    """What happens to a request once the limit is reached."""

    BLOCK = "BLOCK"
    WARN = "WARN"


class Subject(Document):
    """Whose spending counts: one virtual key's, or all of a group's together."""

    key: Name | None = None
    group: Name | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Subject":
        if (self.key is None) == (self.group is None):
            raise ValueError("give either key or group")
        return self


class Budget(Document):
    """One limit."""

    id: Name
    subject: Subject
    monthly_micro_usd: Amount | None = None
    """In millionths of a US dollar; or ``monthly_tokens``."""
    monthly_tokens: Amount | None = None
    """Prompt and completion tokens together; or ``monthly_micro_usd``."""
    at_limit: AtLimit

    @model_validator(mode="after")
    def _has_one_limit(self) -> "Budget":
        if (self.monthly_micro_usd is None) == (self.monthly_tokens is None):
            raise ValueError("give either monthly_micro_usd or monthly_tokens")
        return self


class BudgetsDocument(Document):
    """``budgets.json``."""

    schema_version: SchemaVersion
    budgets: list[Budget] = Field(default=[], max_length=10_000)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "BudgetsDocument":
        require_unique("budget id", [budget.id for budget in self.budgets])
        return self
