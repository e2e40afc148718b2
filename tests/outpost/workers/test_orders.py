import contextlib
import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.cache.bundles import StoredBundle
from outpost.config import Config
from outpost.workers.orders import (
    NOT_FOR_WORKERS,
    Birth,
    OrderInvalid,
    Start,
    bundle_from_json,
    bundle_to_json,
    secrets_from_json,
)

PARTS = st.dictionaries(st.text(max_size=8), st.binary(max_size=30), max_size=3)
BUNDLES = st.builds(
    StoredBundle,
    roots=st.tuples(st.binary(max_size=9)),
    timestamp=st.binary(max_size=30),
    snapshot=st.binary(max_size=30),
    targets=st.binary(max_size=30),
    documents=PARTS.map(MappingProxyType),
    delegated=PARTS.map(MappingProxyType),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
START = Start("1", {"workers": 2}, {"openai": "sk-local"}, {"l1": b"\x00\xff"}, b"root", b"key")


@given(BUNDLES)
def test_a_bundle_arrives_as_it_was_received(bundle):
    assert bundle_from_json(json.loads(json.dumps(bundle_to_json(bundle)))) == bundle


@given(JSON)
def test_any_json_gives_a_value_or_the_typed_error(message):
    read_by = []
    for read in (bundle_from_json, secrets_from_json, Start.from_json):
        with contextlib.suppress(OrderInvalid):
            read(message)
            read_by.append(read)
    assert set(read_by) <= {secrets_from_json}, "no other order is so short"


def test_what_a_worker_is_born_with_arrives_and_is_not_shown():
    assert Start.from_json(json.loads(json.dumps(START.to_json()))) == START
    assert "sk-local" not in repr(START)


def test_the_command_line_holds_numbers_only():
    birth = Birth(control=3, audit=4, models=8, memory=5, listeners=(6, 7), index=1, slots=4)
    assert Birth.from_json(birth.to_json()) == birth


def test_no_setting_that_holds_or_names_a_secret_goes_to_workers():
    assert set(Config.model_fields) >= NOT_FOR_WORKERS
    told = Config().model_dump(mode="json", exclude=set(NOT_FOR_WORKERS))
    assert Config(**told) == Config()


@pytest.mark.parametrize("secrets", [None, [], {"a": 1}, {"a": None}])
def test_secrets_are_text(secrets):
    with pytest.raises(OrderInvalid):
        secrets_from_json(secrets)
