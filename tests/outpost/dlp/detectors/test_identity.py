import pytest

from outpost.dlp.detectors import identity
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors.table import found


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("536-22-8726", "536-22-8726"),
        ("SSN: 536-22-8726.", "536-22-8726"),
        ("536 22 8726", "536 22 8726"),
        ("536.22.8726", "536.22.8726"),
        ("536\u201122\u20118726", "536\u201122\u20118726"),
        ("His social security number is 536228726", "536228726"),
        ("899-99-9999", "899-99-9999"),
        ("社保号536-22-8726号", "536-22-8726"),
    ],
)
def test_found(text, span):
    assert found(text, "pii.national_id") == [("pii.national_id.us", span)]


@pytest.mark.parametrize(
    "text",
    [
        "000-22-8726",
        "666-22-8726",
        "900-22-8726",
        "987-65-4320",
        "536-00-8726",
        "536-22-0000",
        "078-05-1120",
        "219-09-9999",
        "536228726",  # without a word
        "order 536228726",
        "536228726 is not his ssn",  # context counts before the number only
        "ssn 0536228726",
        "1-536-22-8726",
        "536-22-8726-1",
        "536-22-87261",
        "a536-22-8726",
        "2024-01-17",
        "536-2-28726",
    ],
)
def test_near_misses(text):
    assert found(text, "pii.national_id") == []


by_name = pytest.mark.parametrize("name", by_case.names_of(identity))


@by_name
def test_positives_by_name(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses_by_name(name):
    by_case.assert_near_misses(name)
