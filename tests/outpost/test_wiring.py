from outpost.config import Config
from outpost.proxy.surfaces.openai_realtime import RealtimeLimits
from outpost.wiring import offered_kinds, realtime_limits
from tests.fakes.model_pack import write_pack


def test_what_a_pack_offers_is_read_from_its_card(tmp_path):
    assert offered_kinds(None) == frozenset()
    assert offered_kinds(tmp_path) is None
    assert "pii.person" in offered_kinds(write_pack(tmp_path / "pack"))


def test_the_bounds_of_realtime_connections_are_the_settings():
    assert realtime_limits(Config()) == RealtimeLimits(), "what is documented is what tests without settings see"
    chosen = Config(
        realtime_max_event_bytes=5_000, realtime_idle_timeout_s=7, realtime_ping_s=8, realtime_stall_timeout_s=9
    )
    assert realtime_limits(chosen) == RealtimeLimits(max_event_bytes=5_000, idle_s=7, ping_s=8, stall_s=9)
