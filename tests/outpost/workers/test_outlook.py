from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from outpost.proxy.client_tls import Validity
from outpost.proxy.health import Health, Known
from outpost.workers.outlook import Outlook, known_from_json, told_of

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOON, LATE = Validity(AT, AT + timedelta(days=1)), Validity(AT, AT + timedelta(days=90))


def known(provider, until_s, failures=0):
    return Known((provider, None), Health(failures, 1, until_s), "failed", 1.0)


def test_the_worst_that_any_worker_knows_is_what_all_are_told():
    outlook = Outlook()
    outlook.update("one", told_of([known("a", 30.0), known("b", None, 2)], None))
    outlook.update("other", told_of([known("a", 60.0), known("b", None, 1)], None))
    assert outlook.providers() == [known("a", 60.0), known("b", None, 2)]
    outlook.ended("other")
    assert outlook.providers() == [known("a", 30.0), known("b", None, 2)]


def test_the_certificate_is_the_one_that_ends_first_of_those_in_use():
    outlook = Outlook()
    assert outlook.validity() is None
    outlook.update("one", told_of([], SOON))
    outlook.update("other", told_of([], LATE))
    outlook.update("without", told_of([], None))
    assert outlook.validity() == SOON
    outlook.update("one", told_of([], LATE))
    assert outlook.validity() == LATE


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=8))


@given(JSON, JSON)
def test_what_is_malformed_counts_for_nothing(providers, certificate):
    outlook = Outlook()
    outlook.update("one", {"providers": providers, "certificate": certificate})
    assert outlook.providers() == [] == known_from_json(providers)
    assert outlook.validity() is None
