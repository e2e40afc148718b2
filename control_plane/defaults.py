"""The first bundle of a new org: safe before anybody has thought about policy.

What must never leave is blocked, contact data is redacted, the rest is allowed; what cannot be scanned is blocked
(design §6). An org replaces it with ``control-plane policy publish``.
"""

import json

from outpost.protocol.decisions import Action
from outpost.protocol.documents import Conditions, Pack, PolicyDocument, Rule

DEFAULT_PROVIDER_ID = "openai"
DEFAULT_PROVIDER_URL = "https://api.openai.com/v1"

_BLOCK = (
    ("card-data", ["pci.*"], "Card data must not leave the company."),
    ("bank-accounts", ["fin.iban"], "Bank account numbers must not leave the company."),
    ("credentials", ["secret.*"], "Keys, tokens and passwords must not leave the company."),
    ("national-ids", ["pii.national_id.*"], "National identifiers must not leave the company."),
    ("unscannable", ["unscannable.*"], "Content that cannot be inspected does not pass."),
)
_REDACT = (
    ("contact-data", ["pii.email", "pii.phone", "pii.ip"], "Contact data is removed before the provider sees it."),
)


def default_policy() -> bytes:
    """``policy.json`` of a new org."""
    ruled = [(Action.BLOCK, *rule) for rule in _BLOCK] + [(Action.REDACT, *rule) for rule in _REDACT]
    rules = [
        Rule(id=name, sequence=10 * number, when=Conditions(findings=kinds), action=action, reason=reason)
        for number, (action, name, kinds, reason) in enumerate(ruled, start=1)
    ]
    pack = Pack(id="default", sequence=10, default=Action.ALLOW, rules=rules)
    return PolicyDocument(schema_version="1", packs=[pack]).model_dump_json(exclude_none=True).encode()


def default_routing(provider_url: str = DEFAULT_PROVIDER_URL) -> bytes:
    """``routing.json`` of a new org: one provider for every model. Whether the URL will do, publishing checks."""
    provider = {"id": DEFAULT_PROVIDER_ID, "surface": "openai", "base_url": provider_url, "models": ["*"]}
    return json.dumps({"schema_version": "1", "providers": [provider]}).encode()
