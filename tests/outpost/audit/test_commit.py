import sqlite3
from contextlib import closing

import pytest

from outpost.audit.commit import LogIdentity, add_commit
from outpost.audit.event import encode
from outpost.audit.schema import ANCHOR_EVERY, connect
from outpost.audit.tree import Frontier, leaf_hash, tree_root
from outpost.errors import AuditCorrupt
from tests.fakes.audit import ORIGIN, RECEIPTS, SIGNER, event

IDENTITY = LogIdentity(ORIGIN, SIGNER)
EVENT = encode(event())


@pytest.fixture
def connection(tmp_path):
    with closing(connect(tmp_path / "audit.db")) as connection:
        yield connection


@pytest.mark.parametrize("group", [1, 10, 500, 1500])
def test_few_frontiers_are_kept_and_the_newest_is_among_them(connection, group):
    head = Frontier()
    connection.execute("BEGIN")
    while head.size < 3 * ANCHOR_EVERY:
        head = add_commit(connection, IDENTITY, head, [EVENT] * group)
    connection.execute("COMMIT")
    kept = [s for (s,) in connection.execute("SELECT size FROM checkpoints WHERE frontier IS NOT NULL ORDER BY size")]
    assert kept[-1] == head.size
    assert head.size - group in kept
    assert len(kept) <= 3 + 3
    gaps = [b - a for a, b in zip([0, *kept], kept, strict=False)]
    assert max(gaps) <= ANCHOR_EVERY + group


def test_a_commit_that_is_rolled_back_leaves_the_callers_head_alone(connection):
    head = Frontier()
    connection.execute("BEGIN")
    after = add_commit(connection, IDENTITY, head, [EVENT, EVENT])
    connection.execute("ROLLBACK")
    assert (head.size, after.size) == (0, 2)
    assert after.root() == tree_root([leaf_hash(EVENT)] * 2)
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_no_seq_is_ever_written_twice(connection):
    connection.execute("BEGIN")
    add_commit(connection, IDENTITY, Frontier(), [EVENT])
    with pytest.raises(sqlite3.IntegrityError):
        add_commit(connection, IDENTITY, Frontier(), [EVENT])


def test_only_our_own_checkpoint_of_that_size_and_root_passes():
    head = Frontier()
    head.append(leaf_hash(b"a"))
    note = IDENTITY.checkpoint(head)
    assert IDENTITY.require_checkpoint(note, 1, head.root()) == head.root()
    others = [
        (IDENTITY, note, 2, None),
        (IDENTITY, note, 1, leaf_hash(b"b")),
        (LogIdentity("elsewhere/audit", SIGNER), note, 1, None),
        (LogIdentity(ORIGIN, RECEIPTS), note, 1, None),
        (IDENTITY, "x", 1, None),
    ]
    for identity, text, size, root in others:
        with pytest.raises(AuditCorrupt):
            identity.require_checkpoint(text, size, root)
