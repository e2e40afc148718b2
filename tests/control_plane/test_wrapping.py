import os

import pytest

from control_plane.errors import KeysUnsafe
from control_plane.wrapping import Wrapper


def test_a_wrapped_value_opens_only_under_its_key_and_context():
    wrapper = Wrapper(os.urandom(32))
    wrapped = wrapper.wrap(b"value", "here")
    assert wrapper.unwrap(wrapped, "here") == b"value"
    assert wrapper.wrap(b"value", "here") != wrapped
    for other, data, context in [
        (wrapper, wrapped, "there"),
        (Wrapper(os.urandom(32)), wrapped, "here"),
        (wrapper, wrapped[:-1], "here"),
        (wrapper, b"", "here"),
        (wrapper, b"\x02" + wrapped[1:], "here"),
    ]:
        with pytest.raises(KeysUnsafe):
            other.unwrap(data, context)
