import gc

import pytest

from outpost.collector import YOUNG_OBJECTS, settle


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
