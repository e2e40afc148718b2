from datetime import UTC, datetime, timedelta

from control_plane.keys import VirtualKey
from control_plane.store.keys import SqlKeyStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_key_comes_back_as_it_went_in_and_is_revoked_once(connection):
    store = SqlKeyStore(connection)
    full = VirtualKey(
        "key-2", "acme", "n", "sk-op-x-12345678", "p", "d" * 64, "g", AT, ("a", "b"), ("10.0.0.0/8",), AT + timedelta(1)
    )
    plain = VirtualKey("key-1", "acme", "n", "sk-op-x-12345678", "p", "e" * 64, "g", AT - timedelta(1))
    store.add_key(full)
    store.add_key(plain)
    assert store.keys("acme") == [plain, full]
    assert store.keys("globex") == []
    assert not store.revoke_key("globex", "key-1", AT)
    assert store.revoke_key("acme", "key-1", AT)
    assert not store.revoke_key("acme", "key-1", AT)
    assert store.keys("acme")[0].revoked_at == AT
