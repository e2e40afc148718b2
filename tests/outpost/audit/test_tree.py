import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.audit.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from outpost.errors import AuditCorrupt


def _leaves(count):
    return [leaf_hash(str(i).encode()) for i in range(count)]


SIZES = st.integers(1, 70)


@given(SIZES, st.data())
def test_every_leaf_has_a_proof_and_no_changed_byte_passes(size, data):
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    root = tree_root(leaves)
    proof = inclusion_proof(index, leaves)
    verify_inclusion(index, size, leaves[index], proof, root)
    parts = [leaves[index], root, *proof]
    position = data.draw(st.integers(0, len(parts) - 1))
    parts[position] = _flip(parts[position], data)
    with pytest.raises(AuditCorrupt):
        verify_inclusion(index, size, parts[0], parts[2:], parts[1])


@given(SIZES, st.data())
def test_every_prefix_is_consistent_and_no_changed_byte_passes(size, data):
    leaves = _leaves(size)
    old = data.draw(st.integers(1, size))
    roots = [tree_root(leaves[:old]), tree_root(leaves)]
    proof = consistency_proof(old, leaves)
    verify_consistency(old, size, *roots, proof)
    parts = [*roots, *proof]
    position = data.draw(st.integers(0, len(parts) - 1))
    parts[position] = _flip(parts[position], data)
    with pytest.raises(AuditCorrupt):
        verify_consistency(old, size, parts[0], parts[1], parts[2:])


@given(SIZES, st.data())
def test_a_proof_is_of_one_position_and_length(size, data):
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-1, size).filter(lambda i: i != index))
    root, proof = tree_root(leaves), inclusion_proof(index, leaves)
    with pytest.raises(AuditCorrupt):
        verify_inclusion(other, size, leaves[index], proof, root)
    with pytest.raises(AuditCorrupt):
        verify_inclusion(index, size, leaves[index], [*proof, root], root)
    if proof:
        with pytest.raises(AuditCorrupt):
            verify_inclusion(index, size, leaves[index], proof[:-1], root)


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_read_back_goes_on_as_the_tree_itself(first, more):
    frontier = Frontier()
    frontier.extend(_leaves(first))
    again = Frontier.from_bytes(frontier.to_bytes())
    assert (again.size, again.root()) == (first, tree_root(_leaves(first)))
    copy = again.copy()
    again.extend(_leaves(first + more)[first:])
    assert again.root() == tree_root(_leaves(first + more))
    assert copy.root() == frontier.root()


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frontier_or_the_typed_error(data):
    try:
        frontier = Frontier.from_bytes(data)
    except AuditCorrupt:
        return
    assert frontier.to_bytes() == data


def test_the_empty_tree():
    assert Frontier().root() == tree_root([]) == EMPTY_ROOT
    verify_consistency(0, 5, EMPTY_ROOT, tree_root(_leaves(5)), [])
    with pytest.raises(AuditCorrupt):
        Frontier.from_bytes(b"")
    with pytest.raises(IndexError):
        inclusion_proof(0, [])
    with pytest.raises(IndexError):
        consistency_proof(1, [])


def _flip(value, data):
    index = data.draw(st.integers(0, len(value) - 1))
    return value[:index] + bytes([value[index] ^ data.draw(st.integers(1, 255))]) + value[index + 1 :]
