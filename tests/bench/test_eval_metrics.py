"""Known answers: counts of a text, scores, intervals and rates."""

import math

import pytest

from bench.eval_metrics import (
    Counts,
    Found,
    Label,
    bootstrap_f,
    by_group,
    count,
    exact,
    is_kind,
    rates,
    totals,
    wilson,
)

KINDS = {"CARD": ["pci.pan"], "SECRET": ["secret", "credential_leak"]}


def test_a_span_is_found_and_a_finding_right_if_they_overlap():
    labels = [Label("CARD", 0, 10), Label("CARD", 20, 30), Label("OTHER", 0, 5)]
    found = [Found("pci.pan", 9, 12), Found("pci.pan", 10, 20), Found("pii.email", 0, 10)]

    assert count(labels, found, KINDS) == {"CARD": Counts(labelled=2, found=1, reported=2, right=1)}


def test_exact_spans_have_both_ends():
    labels = [Label("CARD", 0, 10), Label("CARD", 20, 30)]
    found = [Found("pci.pan", 0, 10), Found("pci.pan", 20, 31)]

    assert count(labels, found, KINDS, exact) == {"CARD": Counts(2, 1, 2, 1)}


def test_one_finding_over_two_spans_finds_both_and_is_right_once():
    labels = [Label("CARD", 0, 4), Label("CARD", 6, 9)]

    assert count(labels, [Found("pci.pan", 0, 9)], KINDS) == {"CARD": Counts(2, 2, 1, 1)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("secret.jwt", True), ("credential_leak", True), ("secret", True), ("secretive.jwt", False), ("pii.email", False)],
)
def test_a_kind_is_itself_or_below(kind: str, *, expected: bool):
    assert is_kind(kind, KINDS["SECRET"]) is expected


def test_scores_of_known_counts():
    counts = Counts(labelled=10, found=8, reported=16, right=8)

    assert counts.recall == 0.8
    assert counts.precision == 0.5
    assert counts.f(1) == pytest.approx(2 * 0.8 * 0.5 / 1.3)
    assert counts.f(2) == pytest.approx(5 * 0.8 * 0.5 / (4 * 0.5 + 0.8))


def test_nothing_right_is_zero_and_nothing_to_find_is_no_number():
    assert Counts(labelled=3).f(1) == 0
    assert math.isnan(Counts(reported=1).recall)
    assert math.isnan(Counts(labelled=1).precision)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_published_intervals(successes: int, trials: int, low: float, high: float):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_totals_and_groups_add_up():
    rows = [{"CARD": Counts(1, 1, 1, 1)}, {"CARD": Counts(1, 0, 0, 0)}, {"SECRET": Counts(0, 0, 2, 0)}]

    assert totals(rows) == {"CARD": Counts(2, 1, 1, 1), "SECRET": Counts(0, 0, 2, 0)}
    assert by_group(rows, ["a", "a", "b"]) == {"a": {"CARD": Counts(2, 1, 1, 1)}, "b": {"SECRET": Counts(0, 0, 2, 0)}}


def test_a_bootstrap_draws_groups():
    same = {str(index): {"CARD": Counts(10, 8, 8, 8)} for index in range(20)}
    mixed = {str(index): {"CARD": Counts(10, 10 * (index % 2), 10, 10 * (index % 2))} for index in range(40)}
    low, high = bootstrap_f(mixed, "CARD", 1)

    assert bootstrap_f(same, "CARD", 1) == pytest.approx((16 / 18, 16 / 18))
    assert 0.3 < low < 0.5 < high < 0.7


def test_a_bootstrap_leaves_out_samples_that_say_nothing():
    rare = {"0": {"CARD": Counts(1, 1, 1, 1)}, **{str(index): {} for index in range(1, 50)}}

    assert bootstrap_f(rare, "CARD", 2) == (1.0, 1.0)
    assert all(map(math.isnan, bootstrap_f(rare, "SECRET", 2)))


def test_rates_count_findings_and_texts():
    found = [[Found("pii.ip", 0, 1), Found("pii.ip", 2, 3)], [], [Found("secret.jwt", 0, 1)], []]
    table = rates(found)

    assert (table[""].findings, table[""].flagged, table[""].texts) == (3, 2, 4)
    assert table["pii.ip"].per_1000 == 500
    assert table["pii.ip"].flagged_per_1000[0] == 250
    assert rates(found, ["secret"])[""].findings == 1
