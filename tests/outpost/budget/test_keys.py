import hashlib
import hmac
import inspect
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.budget import keys as keys_module
from outpost.budget.keys import Caller, KeyIndex
from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.documents import VirtualKeyDigest
from tests.fakes.clock import NOON

PEPPER = bytes(range(32))
PREFIX = "sk-op-test-abcdEFGH"
KEY = PREFIX + "0" * 35
TWIN = PREFIX + "1" * 35
"""Another key with the same lookup prefix."""
INSTANT = timedelta(microseconds=1)


def entry(text: str = KEY, pepper: bytes = PEPPER, **fields) -> VirtualKeyDigest:
    digest = hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()
    values = {"id": "key-1", "prefix": text[:19], "pepper_id": "p1", "digest": digest, "group": "finance"}
    return VirtualKeyDigest(**(values | fields))


def index(*entries: VirtualKeyDigest, peppers=None) -> KeyIndex:
    return KeyIndex(entries or [entry()], {"p1": PEPPER} if peppers is None else peppers)


def refusal(
    keys: KeyIndex, presented: str | None = KEY, at: datetime = NOON, address: str | None = "10.1.2.3"
) -> Rejected:
    with pytest.raises(Rejected) as caught:
        keys.authenticate(presented, at=at, address=address)
    assert KEY not in str(caught.value)
    return caught.value


def accepted(keys: KeyIndex, presented: str = KEY, at: datetime = NOON, address: str | None = "10.1.2.3") -> Caller:
    return keys.authenticate(presented, at=at, address=address)


def test_a_known_key_is_recognised():
    caller = accepted(index(entry(allowed_models=["gpt-4o"])))
    assert caller == Caller("key-1", "finance", frozenset({"gpt-4o"}))
    assert caller.may_use("gpt-4o")
    assert not caller.may_use("gpt-4")


def test_a_star_allows_every_model():
    assert accepted(index()).may_use("whatever")


@pytest.mark.parametrize("presented", [None, ""])
def test_no_key_at_all(presented):
    assert refusal(index(), presented).code is ErrorCode.MISSING_API_KEY


@pytest.mark.parametrize(
    "presented",
    [
        TWIN,
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        "\n" + KEY,
        " " + KEY,
        KEY.upper(),
        KEY.replace("0", "O", 1),
        KEY[:-1] + "\N{ARABIC-INDIC DIGIT ZERO}",
        KEY[:-1] + "\N{FULLWIDTH DIGIT ZERO}",
        KEY[:-1] + "\udc80",
        KEY[:-1] + "\x00",
        KEY[:-1] + "-",
        PREFIX,
        "sk-op-test-",
        "sk-1234567890",
        "Bearer " + KEY,
        "x" * 100_000,
    ],
)
def test_anything_else_is_invalid(presented):
    assert refusal(index(), presented).code is ErrorCode.INVALID_API_KEY


def test_keys_with_the_same_prefix_are_told_apart():
    keys = index(entry(), entry(TWIN, id="key-2", group="hr"))
    assert accepted(keys, KEY).key_id == "key-1"
    assert accepted(keys, TWIN).key_id == "key-2"
    assert refusal(keys, PREFIX + "2" * 35).code is ErrorCode.INVALID_API_KEY


def test_a_prefix_in_a_bundle_that_is_not_the_keys_own_finds_nothing():
    assert refusal(index(entry(prefix="sk-op-test-01234567"))).code is ErrorCode.INVALID_API_KEY


def test_without_its_pepper_a_key_is_unknown_and_named():
    keys = index(entry(), entry(TWIN, id="key-2", pepper_id="p2"))
    assert keys.missing_peppers == {"p2"}
    assert accepted(keys, KEY).key_id == "key-1"
    assert refusal(keys, TWIN).code is ErrorCode.INVALID_API_KEY
    both = index(entry(), entry(TWIN, id="key-2", pepper_id="p2"), peppers={})
    assert both.missing_peppers == {"p1", "p2"}
    assert refusal(both).code is ErrorCode.INVALID_API_KEY


def test_another_pepper_does_not_fit():
    assert refusal(index(peppers={"p1": bytes(32)})).code is ErrorCode.INVALID_API_KEY


def test_an_index_without_keys_knows_nobody():
    keys = KeyIndex([], {})
    assert keys.missing_peppers == frozenset()
    assert refusal(keys).code is ErrorCode.INVALID_API_KEY


# Expiry


def test_a_key_ends_at_the_instant_it_expires():
    keys = index(entry(expires_at=NOON))
    accepted(keys, at=NOON - INSTANT)
    assert refusal(keys, at=NOON).code is ErrorCode.EXPIRED_API_KEY
    assert refusal(keys, at=NOON + INSTANT).code is ErrorCode.EXPIRED_API_KEY


def test_the_refusal_states_the_expiry_in_utc():
    keys = index(entry(expires_at=datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))))
    assert refusal(keys).message == "this API key expired at 2026-06-01T12:00:00Z"


def test_only_who_has_the_key_learns_that_it_expired():
    assert refusal(index(entry(expires_at=NOON)), TWIN).code is ErrorCode.INVALID_API_KEY


# Addresses


@pytest.mark.parametrize(
    ("networks", "address", "within"),
    [
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.1.2.3/32"], "10.1.2.3", True),
        (["10.1.2.3"], "10.1.2.3", True),
        (["10.1.2.3"], "10.1.2.4", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:a01:203", True),
        (["10.0.0.0/8"], "::ffff:11.1.2.3", False),
        (["::ffff:10.0.0.0/104"], "10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "::ffff:10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "11.1.2.3", False),
        (["::ffff:0:0/96"], "203.0.113.9", True),
        (["::ffff:0:0/96"], "2001:db8::1", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["::/0"], "10.1.2.3", False),
        (["::/0"], "::ffff:10.1.2.3", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["192.0.2.0/24", "10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], None, False),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "10.1.2.3:80", False),
        (["10.0.0.0/8"], "010.1.2.3", False),
        (["0.0.0.0/0"], "localhost", False),
    ],
)
def test_networks(networks, address, within):
    keys = index(entry(allowed_networks=networks))
    if within:
        accepted(keys, address=address)
    else:
        assert refusal(keys, address=address).code is ErrorCode.ADDRESS_NOT_ALLOWED


def test_without_networks_any_address_will_do():
    assert accepted(index(), address=None).key_id == "key-1"


# Properties


@given(
    st.text(max_size=80) | st.from_regex(r"sk-op-test-[0-9A-Za-z]{43}", fullmatch=True) | st.sampled_from([KEY, TWIN])
)
def test_anything_presented_gives_a_caller_or_a_refusal(presented):
    keys = index()
    try:
        caller = keys.authenticate(presented, at=NOON, address="10.1.2.3")
    except Rejected as err:
        expected = ErrorCode.INVALID_API_KEY if presented else ErrorCode.MISSING_API_KEY
        assert err.code is expected  # noqa: PT017 - the other outcome is asserted below
        assert presented != KEY
        return
    assert presented == KEY
    assert caller.key_id == "key-1"


@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_any_address_is_within_or_refused(address):
    keys = index(entry(allowed_networks=["10.0.0.0/8", "2001:db8::/32"]))
    try:
        caller = keys.authenticate(KEY, at=NOON, address=address)
    except Rejected as err:
        assert err.code is ErrorCode.ADDRESS_NOT_ALLOWED  # noqa: PT017 - the other outcome is asserted below
        return
    assert caller.key_id == "key-1"


def test_neither_pepper_nor_digest_is_shown():
    keys = index()
    shown = repr(keys) + repr(vars(keys)) + repr(accepted(keys))
    assert PEPPER.hex() not in shown
    assert repr(PEPPER) not in shown
    assert entry().digest not in shown


def test_digests_are_compared_in_constant_time():
    # Time cannot be asserted reliably; that nothing else compares them can.
    source = inspect.getsource(keys_module)
    assert "hmac.compare_digest(digest, entry.digest)" in source
    assert "== entry.digest" not in source
