import shutil
import stat
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outpost.errors import IdentityInvalid, OutpostError
from outpost.sync.enrol import register
from outpost.sync.identity import generate_keys, is_enrolled, load_identity, save_keys
from tests.fakes.control_plane import FakeControlPlane

FILES = ["key.pem", "hpke.key", "audit.key", "certificate.pem", "anchors.pem", "tuf-root.json", "identity.json"]
every_file = pytest.mark.parametrize("name", FILES)


def test_what_was_enrolled_loads_the_same(identity, data_dir, clock):
    loaded = load_identity(data_dir, clock())
    for name in ("org_id", "outpost_id", "trust_domain", "sync_url", "receipt_vkey", "certificate", "tuf_root"):
        assert getattr(loaded, name) == getattr(identity, name)
    assert loaded.hpke_key.public_bytes == identity.hpke_key.public_bytes
    assert loaded.log_origin == "outpost.test/org/acme/outpost/edge-1/audit"
    assert loaded.audit_signer().name == loaded.log_origin
    assert loaded.receipt_verifier().name == "outpost.test/receipts"


def test_everything_is_closed_to_others(identity, data_dir):
    assert is_enrolled(data_dir)
    assert stat.S_IMODE(identity.directory.stat().st_mode) == 0o700
    assert {path.name for path in identity.directory.iterdir()} == set(FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in identity.directory.iterdir()} == {0o600}


def test_the_repr_shows_no_key(identity):
    keys = identity.keys
    secrets = [keys.hpke.to_bytes(), keys.audit.private_bytes_raw(), keys.tls.private_numbers().private_value]
    assert not any(repr(secret)[2:20] in repr(identity) for secret in secrets)


def test_none_says_how_to_get_one(tmp_path, clock):
    assert not is_enrolled(tmp_path)
    with pytest.raises(IdentityInvalid, match="outpost register"):
        load_identity(tmp_path, clock())


@pytest.mark.parametrize("days", [-30, 30])
def test_out_of_its_time_it_loads_and_says_so(identity, data_dir, clock, days):
    assert identity.is_current(clock())
    clock.advance(timedelta(days=days))
    assert not load_identity(data_dir, clock()).is_current(clock())


@every_file
def test_a_missing_file_is_reported_and_nothing_deleted(identity, data_dir, clock, name):
    (identity.directory / name).unlink()
    with pytest.raises(IdentityInvalid):
        load_identity(data_dir, clock())
    assert len(list(identity.directory.iterdir())) == len(FILES) - 1


@every_file
def test_a_file_open_to_others_is_refused(identity, data_dir, clock, name):
    (identity.directory / name).chmod(0o640)
    with pytest.raises(IdentityInvalid, match="chmod 600"):
        load_identity(data_dir, clock())


@every_file
def test_a_link_is_refused(identity, data_dir, clock, name):
    path = identity.directory / name
    path.rename(data_dir / "elsewhere")
    path.symlink_to(data_dir / "elsewhere")
    with pytest.raises(IdentityInvalid):
        load_identity(data_dir, clock())


def test_a_directory_open_to_others_is_refused(identity, data_dir, clock):
    identity.directory.chmod(0o750)
    with pytest.raises(IdentityInvalid, match="chmod 700"):
        load_identity(data_dir, clock())


@pytest.mark.parametrize("name", ["key.pem", "certificate.pem", "anchors.pem", "tuf-root.json"])
def test_parts_of_two_identities_do_not_mix(identity, data_dir, clock, tmp_path, name):
    stranger = FakeControlPlane(clock)
    other = register(
        "https://other.test", stranger.create_token(), tmp_path / "b", transport=stranger.transport(), clock=clock
    )
    shutil.copy2(other.directory / name, identity.directory / name)
    if name == "tuf-root.json":  # self-signed by its own keys, so it stands alone: the bundle will not verify with it
        assert load_identity(data_dir, clock()).tuf_root == other.tuf_root
        return
    with pytest.raises(IdentityInvalid):
        load_identity(data_dir, clock())


def test_facts_that_name_another_outpost_are_refused(identity, data_dir, clock):
    facts = identity.directory / "identity.json"
    facts.write_text(facts.read_text().replace("edge-1", "edge-2"))
    with pytest.raises(IdentityInvalid, match="another outpost"):
        load_identity(data_dir, clock())


def test_new_keys_are_private(tmp_path):
    keys = generate_keys()
    save_keys(tmp_path / "k", keys)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "k").iterdir()} == {0o600}


@every_file
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=100), cut=st.integers(0, 400))
def test_any_bytes_in_any_file_give_an_identity_or_the_typed_error(identity, data_dir, clock, name, content, cut):
    path = identity.directory / name
    original = path.read_bytes()
    path.write_bytes(original[:cut] + content)
    try:
        loaded = load_identity(data_dir, clock())
    except OutpostError as err:
        assert isinstance(err, IdentityInvalid)  # noqa: PT017 - both outcomes are right, the type is the point
    else:
        assert replace(loaded, keys=identity.keys).outpost_id == "edge-1"
    finally:
        path.write_bytes(original)
