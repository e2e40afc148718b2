import pytest

from outpost.dlp.detectors.tax_ids import IDENTIFIERS
from tests.outpost.dlp.detectors import official_numbers as check
from tests.outpost.dlp.detectors.table import found

each = pytest.mark.parametrize("identifier", IDENTIFIERS, ids=check.named)


@each
def test_found_in_every_form_beside_a_word(identifier):
    check.assert_found_in_every_form(identifier)


@each
def test_near_misses_are_not_found(identifier):
    check.assert_near_misses_are_not_found(identifier)


@each
def test_alone_only_if_strong(identifier):
    check.assert_silent_without_a_word_unless_strong(identifier)


@each
def test_the_check_refuses_as_many_as_the_table_says(identifier):
    check.assert_refuses_as_many_as_it_says(identifier)


@each
def test_the_example_beside_its_word_is_of_its_kind_among_all_detectors(identifier):
    text = f"{identifier.words[0].strip()}: {identifier.example}"
    assert (identifier.kind, identifier.example) in found(text)
