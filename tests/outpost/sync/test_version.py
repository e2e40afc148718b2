from outpost.sync.version import outpost_version


def test_there_is_always_a_version():
    assert outpost_version()[0].isdigit()
