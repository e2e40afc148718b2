"""Topics that an org describes by examples, as one value: what of ``detectors.json`` the inference process is told.

What the examples mean is for a model pack to say; here is only which they are, and an id that changes when they do.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pydantic import TypeAdapter, ValidationError

from outpost.protocol.detectors import DetectorsDocument, TopicRule

_RULES: Final = TypeAdapter(list[TopicRule])


class TopicsInvalid(ValueError):
    """Not what ``TopicSet.to_json`` wrote."""


@dataclass(frozen=True, slots=True)
class TopicSet:
    """All topics of one bundle; ``digest`` names them."""

    rules: tuple[TopicRule, ...]
    digest: str

    @classmethod
    def of(cls, document: DetectorsDocument) -> "TopicSet | None":
        """Those of ``document``; None if it has none."""
        rules = tuple(document.topics)
        return cls(rules, sha256(_RULES.dump_json(list(rules))).hexdigest()) if rules else None

    @classmethod
    def from_json(cls, text: str) -> "TopicSet":
        """What ``to_json`` wrote.

        Raises:
            TopicsInvalid: It is something else.
        """
        try:
            rules = _RULES.validate_json(text)
        except ValidationError as err:
            raise TopicsInvalid("these are no topics") from err
        return cls(tuple(rules), sha256(_RULES.dump_json(rules)).hexdigest())

    @property
    def kinds(self) -> frozenset[str]:
        """What they find."""
        return frozenset(rule.kind for rule in self.rules)

    def to_json(self) -> str:
        """For another process."""
        return _RULES.dump_json(list(self.rules)).decode()
