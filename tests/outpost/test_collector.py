import contextlib
import gc

import pytest

from outpost.collector import LARGE_BYTES, YOUNG_OBJECTS, held, settle


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield gc
    gc.unfreeze()
    gc.set_threshold(*before)


class Ring:
    """An object that only the collector can free."""

    def __init__(self):
        self.itself = self


def test_what_was_there_is_left_alone_and_what_comes_is_still_found(collector):
    lasting = [Ring()]
    settle()
    assert lasting[0] not in collector.get_objects()
    assert collector.get_threshold()[0] == YOUNG_OBJECTS
    assert collector.isenabled()
    Ring()
    assert collector.collect() >= 1


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_looked_through_while_much_is_made_nor_afterwards(collector, fails):
    looks, made = [], []
    collector.callbacks.append(lambda *_: looks.append(1))
    try:
        with contextlib.suppress(LookupError), held(LARGE_BYTES):
            looks.clear()  # one before is wanted
            made = [Ring() for _ in range(20_000)]
            if fails:
                raise LookupError
        assert not looks
    finally:
        collector.callbacks.pop()
    assert collector.isenabled()
    assert made[0] not in collector.get_objects()


def test_little_is_made_as_ever(collector):
    with held(LARGE_BYTES - 1):
        made = Ring()
        assert collector.isenabled()
    assert made in collector.get_objects()
