from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import IntegrityError

from control_plane.audit import StoredEvent, StoredHead
from control_plane.outposts import OutpostRecord
from control_plane.store.audit import SqlAuditStore
from control_plane.store.outposts import SqlRegistryStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_heads_and_events_of_two_logs_stay_apart(connection):
    for name in ("one", "two"):
        SqlRegistryStore(connection).add_outpost(OutpostRecord(name, "acme", name, AT))
    store = SqlAuditStore(connection)
    assert store.newest_head("one") is None
    events = [StoredEvent(seq, b"{}" if seq else None, bytes([seq]) * 32) for seq in range(3)]
    store.append("one", events[:2], StoredHead(2, b"f2", "note 2"), AT)
    store.append("one", events[2:], StoredHead(3, b"f3", "note 3"), AT)
    store.append("two", events[:1], StoredHead(1, b"f1", "note 1"), AT)
    assert store.newest_head("one") == StoredHead(3, b"f3", "note 3")
    assert store.newest_head("one", 2) == StoredHead(2, b"f2", "note 2")
    assert store.newest_head("one", 1) is None
    assert store.leaf_hashes("one", 1, 3) == [b"\x01" * 32, b"\x02" * 32]
    with pytest.raises(IntegrityError):
        store.append("one", events[:1], StoredHead(4, b"f4", "note 4"), AT)
