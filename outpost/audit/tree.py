"""Merkle tree of RFC 6962 §2.1 (SHA-256, leaf prefix 0x00, node prefix 0x01) and its proofs.

``Frontier`` holds only the roots of the perfect subtrees of a tree, at most 64 hashes, which is all that
appending and computing the root need. Proof verification follows RFC 9162 §2.1.3.2 and §2.1.4.2; every
hash is checked to be 32 bytes, so an empty root never equals an empty proof.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from outpost.errors import AuditCorrupt

HASH_BYTES: Final = hashlib.sha256().digest_size
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()  # RFC 6962 §2.1: the hash of an empty list
MAX_SIZE: Final = 2**63 - 1  # SQLite's largest row id
_SIZE_BYTES: Final = 8


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree's head: its size and the roots of its perfect subtrees, largest first."""

    __slots__ = ("_nodes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._nodes: list[bytes] = []

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its hash (see ``leaf_hash``)."""
        node = leaf
        size = self._size
        while size & 1:  # every trailing one bit is a perfect subtree that this leaf completes
            node = node_hash(self._nodes.pop(), node)
            size >>= 1
        self._nodes.append(node)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves by their hashes, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root

    def copy(self) -> "Frontier":
        """An independent frontier of the same tree."""
        other = Frontier()
        other._size, other._nodes = self._size, self._nodes.copy()
        return other

    def to_bytes(self) -> bytes:
        """Size (8 bytes, big endian), then the subtree roots, largest first."""
        return self._size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._nodes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frontier":
        """The frontier that ``to_bytes`` wrote.

        Raises:
            AuditCorrupt: If ``data`` has another shape. Whether the hashes are true only a signed root can tell.
        """
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + size.bit_count() * HASH_BYTES or size > MAX_SIZE:
            raise AuditCorrupt("not the bytes of a tree frontier")
        frontier = cls()
        frontier._size = size
        frontier._nodes = [data[i : i + HASH_BYTES] for i in range(_SIZE_BYTES, len(data), HASH_BYTES)]
        return frontier


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(index, leaves) of RFC 6962 §2.1.1, over leaf hashes.

    Raises:
        IndexError: If there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        split = low + _largest_power_below(high - low)
        if index < split:
            proof.append(tree_root(leaves[split:high]))
            high = split
        else:
            proof.append(tree_root(leaves[low:split]))
            low = split
    return proof[::-1]


def consistency_proof(size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(size, leaves) of RFC 6962 §2.1.2, over leaf hashes; empty for size 0 and for the whole tree.

    Raises:
        IndexError: If ``size`` is negative or larger than the tree.
    """
    if not 0 <= size <= len(leaves):
        raise IndexError("no such size")
    if size == 0:
        return []
    proof: list[bytes] = []
    low, high, whole = 0, len(leaves), True
    while size != high:
        split = low + _largest_power_below(high - low)
        if size <= split:
            proof.append(tree_root(leaves[split:high]))
            high = split
        else:
            proof.append(tree_root(leaves[low:split]))
            low, whole = split, False
    if not whole:
        proof.append(tree_root(leaves[low:high]))
    return proof[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash ``leaf`` is at ``index`` of the tree with ``size`` leaves and this ``root``.

    Raises:
        AuditCorrupt: If the proof does not show it.
    """
    _require_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise AuditCorrupt("the leaf lies outside the tree")
    node = leaf
    for sibling, is_left in zip(proof, _sides(index, size - 1, len(proof)), strict=True):
        node = node_hash(sibling, node) if is_left else node_hash(node, sibling)
    if node != root:
        raise AuditCorrupt("the proof does not lead to the root")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree ``(size1, root1)`` is a prefix of the tree ``(size2, root2)``.

    Raises:
        AuditCorrupt: If the proof does not show it.
    """
    _require_hashes(root1, root2, *proof)
    if not 0 <= size1 <= size2:
        raise AuditCorrupt("the sizes are out of order")
    if size1 in {0, size2}:
        if proof or (size1 == size2 and root1 != root2) or (size1 == 0 and root1 != EMPTY_ROOT):
            raise AuditCorrupt("equal or empty trees need equal roots and no proof")
        return
    # A perfect first tree is its own first node, so the proof leaves it out (RFC 9162 §2.1.4.2 step 2).
    path = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    if not path:
        raise AuditCorrupt("the proof is empty")
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    node1 = node2 = path[0]
    for sibling, is_left in zip(path[1:], _sides(position, last, len(path) - 1), strict=True):
        if is_left:
            node1, node2 = node_hash(sibling, node1), node_hash(sibling, node2)
        else:
            node2 = node_hash(node2, sibling)
    if node1 != root1 or node2 != root2:
        raise AuditCorrupt("the proof does not lead to both roots")


def _sides(position: int, last: int, count: int) -> list[bool]:
    """For each sibling on the way up from ``position``, whether it is the left one (RFC 9162 §2.1.3.2)."""
    sides: list[bool] = []
    for _ in range(count):
        if last == 0:
            raise AuditCorrupt("the proof is too long")
        is_left = bool(position & 1) or position == last
        sides.append(is_left)
        while is_left and position and not position & 1:  # levels at which the rightmost node has no sibling
            position, last = position >> 1, last >> 1
        position, last = position >> 1, last >> 1
    if last != 0:
        raise AuditCorrupt("the proof is too short")
    return sides


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _require_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise AuditCorrupt("a hash is not 32 bytes")
