import pytest

from outpost.dlp.detectors import vehicle
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors import official_numbers as check

by_name = pytest.mark.parametrize("name", by_case.names_of(vehicle))


@by_name
def test_found(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses(name):
    by_case.assert_near_misses(name)


each = pytest.mark.parametrize("identifier", vehicle.IDENTIFIERS, ids=check.named)


@each
def test_found_in_every_form_beside_a_word(identifier):
    check.assert_found_in_every_form(identifier)


@each
def test_near_misses_of_numbers_are_not_found(identifier):
    check.assert_near_misses_are_not_found(identifier)


@each
def test_alone_only_if_strong(identifier):
    check.assert_silent_without_a_word_unless_strong(identifier)


@each
def test_the_check_refuses_as_many_as_the_table_says(identifier):
    check.assert_refuses_as_many_as_it_says(identifier)
