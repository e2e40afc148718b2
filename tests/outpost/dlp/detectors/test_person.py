import pytest

from outpost.dlp.detectors import person
from tests.outpost.dlp.detectors import by_case

by_name = pytest.mark.parametrize("name", by_case.names_of(person))


@by_name
def test_found(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses(name):
    by_case.assert_near_misses(name)
