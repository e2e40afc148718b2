"""A proposal: what officers are asked to sign, whole in one file that can be carried to a machine without a network.

It has the new metadata with the signatures it has so far, the documents that it lists, and what is in force now to
compare with. Strict: a field that this version does not know would be signed unread. What it means and whether it
holds together is ``outpost/policy/proposal.py``.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from outpost.protocol.messages import Base64, Id, Message

MAX_DOCUMENTS = 64  # a bundle has half a dozen


class Proposal(Message):
    """``PROPOSAL.json``. Metadata exactly as it is to be published, but for signatures that are still missing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal["outpost-proposal/1"] = "outpost-proposal/1"
    org_id: Id
    root: Base64 | None = None
    """The next root, if keys or thresholds change or the root is renewed."""
    targets: Base64
    documents: dict[str, Base64] = Field(max_length=MAX_DOCUMENTS)
    """By name, every document that the new targets list."""
    current_root: Base64
    current_targets: Base64
    current_documents: dict[str, Base64] = Field(max_length=MAX_DOCUMENTS)
