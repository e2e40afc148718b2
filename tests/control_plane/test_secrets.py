import base64
from datetime import timedelta

import pytest

from control_plane.errors import InvalidRequest, NotFound
from outpost.protocol.sealing import SealingError, open_secrets, secrets_info
from tests.fakes.installation import OutpostKeys


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("openai", "x"),
        ("provider/", "x"),
        ("pepper/pepper-1", "x"),
        ("provider/Open AI", "x"),
        ("provider/openai", ""),
        ("provider/openai", "two words"),
        ("provider/openai", "line\r\nX-Injected: 1"),
        ("provider/openai", "x" * 5000),
    ],
)
def test_a_secret_that_could_not_be_used_is_refused(operations, name, value):
    with pytest.raises(InvalidRequest):
        operations.set_secret("acme", name, value)


def test_secrets_are_sealed_to_one_outpost_and_version(operations):
    keys = OutpostKeys()
    outpost, token = operations.create_outpost("acme", "edge", timedelta(minutes=15))
    with pytest.raises(NotFound):
        operations.seal_secrets(outpost)
    outpost = operations.enroll(keys.message(token.text))[0].outpost
    ((outpost, _),) = operations.outposts("acme")
    before = operations.seal_secrets(outpost)
    operations.set_secret("acme", "provider/openai", "old")
    operations.set_secret("acme", "provider/openai", "new")
    after = operations.seal_secrets(outpost)
    assert after.version == before.version + 2
    info = secrets_info("acme", outpost.id, after.version)
    opened = open_secrets(after.sealed, keys.hpke, info)
    assert opened.pop("provider/openai") == "new"
    ((name, pepper),) = opened.items()
    assert (name.startswith("pepper/"), len(base64.b64decode(pepper))) == (True, 32)
    with pytest.raises(SealingError):
        open_secrets(after.sealed, OutpostKeys().hpke, info)
    with pytest.raises(SealingError):
        open_secrets(after.sealed, keys.hpke, secrets_info("globex", outpost.id, after.version))


def test_an_org_must_exist(operations):
    with pytest.raises(NotFound):
        operations.set_secret("nobody", "provider/openai", "x")
