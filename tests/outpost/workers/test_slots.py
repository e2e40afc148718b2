import os

import pytest

from outpost.workers.slots import OwnSlot, Slots, make_memory


@pytest.fixture
def slots():
    memory = make_memory(4)
    yield [Slots(memory, 4) for _ in range(2)]  # as two processes map it
    os.close(memory)


def test_each_sees_the_sum_of_all(slots):
    one, other = OwnSlot(slots[0], 0), OwnSlot(slots[1], 3)
    assert [one.enter(), other.enter(), one.enter()] == [1, 2, 3]
    one.leave()
    assert other.enter() == 3
    assert [one.connected(1), other.connected(1), one.connected(1), one.connected(-1)] == [1, 2, 3, 2]


def test_what_a_dead_worker_held_is_cleared(slots):
    one, dead = OwnSlot(slots[0], 0), OwnSlot(slots[1], 1)
    for _ in range(5):
        dead.enter()
        dead.connected(1)
    slots[0].clear(1)
    assert one.enter() == 1
    assert one.connected(1) == 1


def test_only_who_takes_clients_is_waited_for(slots):
    one, other = OwnSlot(slots[0], 0), OwnSlot(slots[1], 1)
    one.accepts(True)
    one.connected(1)
    assert not one.leads, "the other takes nobody"
    other.accepts(True)
    assert one.leads
    other.connected(1)
    assert not one.leads
