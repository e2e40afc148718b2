import pytest

from outpost.dlp.nations import ADJECTIVES, is_general, is_of_another, nation_of
from outpost.dlp.taxonomy import COUNTRIES
from tests.outpost.dlp.detectors.table import found


def test_each_country_of_the_taxonomy_has_an_adjective():
    assert set(ADJECTIVES) == set(COUNTRIES)


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("Polish national ID", "pl"),
        ("a German's Danish number", "dk"),
        ("New Zealand and South African", "za"),
        ("US passport", "us"),
        ("tell us the id", ""),
        ("polished", ""),
        ("translate to Spanish: the Danish number", "dk"),
        ("translate into Spanish", ""),
        ("Argentinian", "ar"),
    ],
)
def test_the_last_adjective_names_the_nation(text, country):
    assert nation_of(text) == country


def test_whose_number_it_is():
    assert is_of_another("Polish national ID", "cu")
    assert not is_of_another("Polish national ID", "pl")
    assert not is_of_another("national ID", "cu")
    assert not is_of_another("Slovak birth number", "cz")


@pytest.mark.parametrize(
    ("word", "general"),
    [
        ("national id", True),
        ("personal code", True),
        ("tax identification", True),
        ("pesel", False),
        ("cuban id", False),
    ],
)
def test_words_of_any_country(word, general):
    assert is_general(word) is general


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Polish national ID: 44051401359", "pii.national_id.pl"),
        ("Lithuanian personal code 33309240064", "pii.national_id.lt"),
        ("Estonian personal code 36805280109", "pii.national_id.ee"),
        ("Finnish personal identity code: 131052-3140", "pii.national_id.fi"),
        ("our German customer's PESEL 44051401359", "pii.national_id.pl"),
    ],
)
def test_a_number_is_its_own_nations(text, kind):
    assert [k for k, _ in found(text, "pii.national_id")] == [kind]
