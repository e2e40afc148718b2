"""C2SP signed notes and checkpoints: the specifications' own examples and six derived negative cases.

Kinds that are no signed note by themselves (witness requests, tlog-proof, the cosignature message) are skipped.
"""

import base64
import json

import pytest

from outpost.audit.checkpoint import NoteVerifier, parse_checkpoint, parse_note, verify_note
from outpost.errors import AuditCorrupt
from tests.shared_data import require


def _rows(*kinds):
    with (require("conf-tlog-notes") / "notes.jsonl").open() as lines:
        return [row for row in map(json.loads, lines) if row["kind"] in kinds]


def test_signed_notes():
    rows = _rows("signed-note")
    for row in rows:
        if row["expect"].startswith("well-formed"):
            assert parse_note(row["note"]).signatures
            continue
        verifier = NoteVerifier.from_vkey(row["vkey"])
        if row["expect"] == "valid":
            assert verify_note(row["note"], [verifier]) == (verifier.name,)
        else:
            with pytest.raises(AuditCorrupt):
                verify_note(row["note"], [verifier])
    assert len(rows) == 8


def test_the_published_vkey_survives_a_round_trip():
    vkey = next(row["vkey"] for row in _rows("signed-note") if row["expect"] == "valid")
    assert NoteVerifier.from_vkey(vkey).vkey == vkey


def test_checkpoints():
    rows = _rows("checkpoint", "cosigned-checkpoint")
    for row in rows:
        checkpoint = parse_checkpoint(row["note"])
        assert (checkpoint.origin, checkpoint.size) == (row["origin"], row["size"])
        if "root_b64" in row:
            assert checkpoint.root == base64.b64decode(row["root_b64"])
        assert checkpoint.text == parse_note(row["note"]).text
    assert len(rows) == 2
