import pytest

from outpost.dlp.taxonomy import COUNTRIES, DOMAINS, KINDS, documentation


def test_names_are_unique_and_of_a_domain():
    names = [kind.name for kind in KINDS]
    assert len(names) == len(set(names))
    assert {kind.domain for kind in KINDS} == set(DOMAINS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_says_what_it_is_in_one_line_and_shows_one(kind):
    assert kind.meaning
    assert kind.example
    assert "\n" not in kind.meaning + kind.example


def test_a_member_of_a_family_is_documented_by_the_family():
    assert documentation("pii.email").name == "pii.email"
    assert documentation("pii.national_id.fr").name == "pii.national_id.*"
    assert documentation("secret.any_vendor").name == "secret.*"
    assert documentation("pii.national_id.xx") is None
    assert documentation("pii.shoe_size") is None
    assert documentation("pii.email.work") is None


def test_countries_are_two_letters():
    assert all(len(code) == 2 and code.islower() and name for code, name in COUNTRIES.items())
