import pytest

from outpost.audit.reserve import Reserve
from tests.fakes.disk import file_size_limit


def test_the_reserve_is_held_released_and_held_again(tmp_path):
    file = tmp_path / "x.reserve"
    reserve = Reserve(file, 1 << 16)
    reserve.release()  # nothing held: harmless
    reserve.hold()
    assert file.stat().st_blocks * 512 >= 1 << 16
    reserve.hold()
    reserve.release()
    assert file.stat().st_blocks == 0
    reserve.hold()
    with file_size_limit(1 << 15), pytest.raises(OSError, match="File too large"):
        Reserve(tmp_path / "y.reserve", 1 << 16).hold()
    assert (tmp_path / "y.reserve").stat().st_size == 0
