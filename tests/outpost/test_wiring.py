from outpost.wiring import offered_kinds
from tests.fakes.model_pack import write_pack


def test_what_a_pack_offers_is_read_from_its_card(tmp_path):
    assert offered_kinds(None) == frozenset()
    assert offered_kinds(tmp_path) is None
    assert "pii.person" in offered_kinds(write_pack(tmp_path / "pack"))
