import pytest

from control_plane.documents import StoredDocuments
from control_plane.errors import NotFound


class Store:
    """Holds ``policy.json`` alone, and counts."""

    def __init__(self):
        self.asked = []

    def target(self, org_id, name, digest):
        self.asked.append((org_id, name, digest))
        return b"{}" if name == "policy.json" else None


def test_a_document_is_read_when_it_is_asked_for_and_once():
    store = Store()
    documents = StoredDocuments(store, "acme", {"policy.json": "ab", "model.onnx.pack": "cd"})
    assert (len(documents), sorted(documents), store.asked) == (2, ["model.onnx.pack", "policy.json"], [])
    assert documents["policy.json"] == documents["policy.json"] == b"{}"
    assert store.asked == [("acme", "policy.json", "ab")]


def test_a_document_that_is_lost_is_said_by_name():
    documents = StoredDocuments(Store(), "acme", {"keys.json": "ab"})
    with pytest.raises(NotFound, match=r"lost target keys\.json of org acme"):
        dict(documents)
    with pytest.raises(KeyError):
        documents["other"]
