import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from outpost.app import open_outpost
from outpost.check_start import check_start
from outpost.config import Config
from outpost.errors import ConfigError, IdentityInvalid
from outpost.sync.version import outpost_version
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol, fill_cache


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def config(tmp_path, clock):
    plane, data_dir = FakeControlPlane(clock), tmp_path / "data"
    identity = enrol(plane, data_dir, clock)
    plane.publish()
    fill_cache(plane, identity, data_dir)
    return Config(data_dir=data_dir, listen_host="127.0.0.1", listen_port=0, admin_port=0, workers=2)


def files(config):
    return {
        path: path.read_bytes() for path in config.data_dir.rglob("*") if path.is_file() and "-shm" not in path.name
    }


def test_it_looks_at_everything_beside_an_outpost_that_runs_and_changes_nothing(config, clock):
    running = open_outpost(config, clock=clock)
    before = files(config)
    outlook = check_start(config, clock)
    assert outlook.to_json() == {
        "version": outpost_version(),
        "proxy": ("127.0.0.1", 0),
        "admin": ("127.0.0.1", 0),
        "workers": 2,
        "policy": None,
    }
    assert json.loads(json.dumps(outlook.to_json()))["proxy"] == ["127.0.0.1", 0]
    assert "would start: proxy on 127.0.0.1 port 0" in str(outlook)
    assert files(config) == before
    running.close()


def test_a_policy_that_would_not_be_in_force_is_said(config, clock):
    with closing(sqlite3.connect(config.data_dir / "outpost.db")) as connection, connection:
        connection.execute("UPDATE bundle_document SET content = x'00'")
    outlook = check_start(config, clock)
    assert outlook.policy is not None
    assert "would not be in force" in str(outlook)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tls_certificate_file": "none.pem"}, "tls_certificate_file"),
        ({"provider_key_files": {"openai": "none"}}, "provider_key_files"),
        ({"data_dir": "elsewhere"}, "not enrolled"),
    ],
)
def test_what_would_stop_the_start_is_the_same_error(config, clock, tmp_path, changes, reason):
    changes = {
        name: {key: tmp_path / one for key, one in value.items()} if isinstance(value, dict) else tmp_path / value
        for name, value in changes.items()
    }
    with pytest.raises(ConfigError, match=reason):
        check_start(config.model_copy(update=changes), clock)


def test_an_outpost_that_will_enrol_has_no_policy_yet(tmp_path):
    config = Config(data_dir=tmp_path / "new", enrolment_token_file=tmp_path / "token")
    assert check_start(config, lambda: datetime.now(UTC)).policy is None


def test_an_identity_that_cannot_be_used_stops_the_start(config, clock):
    for path in config.data_dir.rglob("*.pem"):
        path.write_text("not a certificate")
    with pytest.raises(IdentityInvalid):
        check_start(config, clock)
