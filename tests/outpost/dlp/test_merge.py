import pytest

from outpost.dlp.merge import is_weak, merge
from outpost.protocol.findings import Finding, Tier

PAN = Finding("pci.pan", 10, 29, 0.99, "card/luhn")
PHONE = Finding("pii.phone", 40, 52, 0.5, "phone")
NAME = Finding("pii.username", 0, 6, 0.8, "username")


def span(kind, start, end, tier=Tier.ENTITY_MODEL):
    return Finding(kind, start, end, 0.9, "tiny/entities", tier)


@pytest.mark.parametrize(
    ("models", "kept"),
    [
        ([span("pii.person", 0, 6)], [True]),
        ([span("pii.username", 0, 6), span("pii.username", 1, 5)], [False, False]),
        ([span("pii.username", 0, 8)], [True]),
        ([span("pii.id_number", 12, 20)], [True]),
        ([span("attack.jailbreak", 0, 100, Tier.CONTEXT_MODEL)], [True]),
    ],
)
def test_nothing_goes_but_what_adds_nothing(models, kept):
    merged = merge([NAME, PAN, PHONE], models)
    assert [model in merged for model in models] == kept
    assert {NAME, PAN, PHONE} <= set(merged)
    assert merged == sorted(merged, key=lambda f: (f.start, -f.end))


def test_only_weak_findings_of_patterns_may_be_doubted():
    assert [f.kind for f in merge([PAN, PHONE], [], [PAN, PHONE])] == ["pci.pan"]
    assert [is_weak(f) for f in (PAN, PHONE, span("pii.phone", 0, 1))] == [False, True, False]
