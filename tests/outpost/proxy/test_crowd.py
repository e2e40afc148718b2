from outpost.proxy.crowd import Alone


def test_one_process_counts_for_itself():
    crowd = Alone()
    assert [crowd.enter(), crowd.enter()] == [1, 2]
    crowd.leave()
    assert crowd.enter() == 2
    assert [crowd.connected(1), crowd.connected(1), crowd.connected(-1)] == [1, 2, 1]
