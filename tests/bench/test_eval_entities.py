import math

import pytest

from bench.eval_entities import PRESIDIO, ZIP, both, is_handle, table, told_apart
from bench.eval_metrics import Found, Label
from outpost.protocol.findings import Finding, Tier


def finding(kind, start, end, tier=Tier.ENTITY_MODEL):
    return Finding(kind=kind, start=start, end=end, score=0.9, detector="x", tier=tier)


def test_of_findings_inside_each_other_the_outer_one_counts():
    rules = [finding("pii.address.postcode", 10, 15, Tier.PATTERN), finding("pii.phone", 2, 9, Tier.PATTERN)]
    mine = [finding("pii.address.full", 0, 15), finding("pii.person", 20, 25)]
    assert both(rules, mine) == [("pii.address.full", 0, 15), ("pii.phone", 2, 9), ("pii.person", 20, 25)]
    assert both([], mine[:1] * 2) == [("pii.address.full", 0, 15)] * 2


def test_an_address_that_meets_a_postcode_or_a_place_is_one_too():
    labels = [Label("ZIP_CODE", 10, 15), Label("STREET_ADDRESS", 0, 9), Label("GPE", 50, 55)]
    found = [Found("pii.address.full", 10, 15), Found("pii.address.full", 0, 15), Found("pii.address.full", 30, 40)]
    found += [Found("pii.address.full", 45, 55), Found("pii.person", 50, 55)]
    assert told_apart(labels, found) == [
        Found(ZIP, 10, 15),
        Found(ZIP, 0, 15),
        Found("pii.address.full", 0, 15),
        Found("pii.address.full", 30, 40),
        Found("pii.location", 45, 55),
        Found("pii.person", 50, 55),
    ]


def test_a_table_has_every_label_by_overlap_and_by_exact_ends_with_intervals():
    text = {"text": "Ana Silva in Porto", "spans": [{"type": "PERSON", "start": 0, "end": 9}]}
    found = [[Found("pii.person", 0, 3), Found("pii.location", 13, 18)]]
    figures = {(f.label, f.metric): f for f in table("x", [text] * 4, found * 4, PRESIDIO, list("abcd"))}
    assert figures["PERSON", "f1_overlap"].value == 1.0
    assert figures["PERSON", "f1_exact"].value == 0.0
    assert figures["GPE", "precision_overlap"].value == 0.0
    assert math.isnan(figures["AGE", "recall_overlap"].value)
    assert figures["all", "precision_overlap"].value == pytest.approx(0.5)
    assert figures["PERSON", "recall_overlap"].low == pytest.approx(0.51, abs=0.01)
    assert (figures["PERSON", "f2_overlap"].low, figures["PERSON", "f2_overlap"].high) == (1.0, 1.0)


@pytest.mark.parametrize(("text", "start", "handle"), [("@ana", 0, True), ("@ ana", 2, True), ("ana @x", 0, False)])
def test_what_follows_an_at_sign_is_a_handle(text, start, handle):
    assert is_handle(text, start) == handle
