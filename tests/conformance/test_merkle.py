"""The proofs of github.com/transparency-dev/merkle and the RFC 6962 reference roots.

The ``subtree*`` suites are the newer witness proofs, which we do not build.
"""

import base64
import json

import pytest

from outpost.audit.tree import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from outpost.errors import AuditCorrupt
from tests.shared_data import require

# case -> why we differ
DEVIATIONS = {
    "additional/sizes-are-equal-one-and-proof-is-empty": "its roots are not 32 bytes; we refuse whatever is no hash",
}


def _rows(name):
    with (require("conf-merkle-rfc6962") / name).open() as lines:
        return [json.loads(line) for line in lines]


def _hash(text):
    return base64.b64decode(text or "")


def _cases(suite):
    return [row for row in _rows("proofs.jsonl") if row["suite"] == suite]


def _check(row, verify):
    if row["wantErr"] or row["case"] in DEVIATIONS:
        with pytest.raises(AuditCorrupt):
            verify()
    else:
        verify()


def test_inclusion_vectors():
    cases = _cases("inclusion")
    for row in cases:
        proof = [_hash(node) for node in row["proof"] or []]
        _check(
            row,
            lambda row=row, proof=proof: verify_inclusion(
                row["leafIdx"], row["treeSize"], _hash(row["leafHash"]), proof, _hash(row["root"])
            ),
        )
    assert len(cases) == 98


def test_consistency_vectors():
    cases = _cases("consistency")
    for row in cases:
        proof = [_hash(node) for node in row["proof"] or []]
        _check(
            row,
            lambda row=row, proof=proof: verify_consistency(
                row["size1"], row["size2"], _hash(row["root1"]), _hash(row["root2"]), proof
            ),
        )
    assert len(cases) == 98


def test_reference_roots_and_our_own_proofs_of_them():
    rows = _rows("reference-roots.jsonl")
    roots = [bytes.fromhex(row["root_hex"]) for row in rows]
    for size, row in enumerate(rows):
        leaves = [leaf_hash(bytes.fromhex(text)) for text in row["leaves_hex"]]
        assert row["size"] == size
        assert tree_root(leaves) == roots[size]
        for index in range(size):
            verify_inclusion(index, size, leaves[index], inclusion_proof(index, leaves), roots[size])
            verify_consistency(index, size, roots[index], roots[size], consistency_proof(index, leaves))
