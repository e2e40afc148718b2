"""The TUF client over its command line, against a server of real keys: the specification's client workflow as cases.

Each case runs ``python -m outpost.policy.conformance`` as a process (see ``tests/fakes/tuf_cli.py``) and looks only at
exit statuses, the directory's unversioned files, the artifacts, and what the server was asked. ``docs/protocol.md``
names the case that holds each step.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, TargetFile

from tests.fakes.tuf_cli import ROOT, CliClient, CommandLine, faketime_library
from tests.fakes.tuf_server import KEY_TYPES, TOP_LEVEL, Simulator

DAY = timedelta(days=1)
new_signer = CryptoSigner.generate_ed25519


@pytest.fixture(scope="module")
def command_line(tmp_path_factory):
    command_line = CommandLine(tmp_path_factory.mktemp("cli"))
    yield command_line
    command_line.close()


@pytest.fixture
def connect(command_line):
    """Make an initialised client of a simulator. Directories lie in memory: thousands of fsyncs prove nothing here."""
    with ExitStack() as servers:
        in_memory = Path("/dev/shm")
        place = in_memory if os.access(in_memory, os.W_OK) else None
        tmp_path = Path(servers.enter_context(tempfile.TemporaryDirectory(dir=place)))
        number = iter(range(100))

        def connect(sim: Simulator, root: bytes | None = None) -> CliClient:
            url = servers.enter_context(sim.over_http())
            client = CliClient(command_line, url, tmp_path / str(next(number)))
            assert client.init(root or sim.files["1.root.json"]) == 0
            sim.asked.clear()
            return client

        yield connect


@pytest.fixture
def sim() -> Simulator:
    return Simulator()


def trusted(**changes: int) -> dict[str, int]:
    return dict.fromkeys(sorted(TOP_LEVEL), 1) | changes


# The command line itself


def test_init_asks_the_server_nothing(sim, connect):
    client = connect(sim)
    assert client.roles() == {"root": 1}
    assert sim.asked == []


def test_a_refresh_asks_in_the_order_of_the_specification(sim, connect):
    client = connect(sim)
    assert client.refresh() == 0
    assert client.roles() == trusted()
    assert sim.asked == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    for role in TOP_LEVEL[2:]:
        assert (client.metadata_dir / f"{role}.json").read_bytes() == sim.files[f"1.{role}.json"]


def test_a_second_refresh_fetches_only_what_could_be_new(sim, connect):
    client = connect(sim)
    assert client.refresh() == 0
    sim.asked.clear()
    assert client.refresh() == 0
    assert sim.asked == ["2.root.json", "timestamp.json"]


def test_each_publication_is_followed(sim, connect):
    client = connect(sim)
    for version in range(1, 4):
        assert client.refresh() == 0
        assert client.roles() == trusted(timestamp=version, snapshot=version, targets=version)
        sim.publish()


def _as_process(*arguments: str, wrapper: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, sys.executable, "-m", "outpost.policy.conformance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


@pytest.mark.parametrize("place", ["before", "after", "around"])
def test_options_may_stand_anywhere(sim, tmp_path, place):
    root, metadata = tmp_path / "r.json", tmp_path / "m"
    root.write_bytes(sim.files["1.root.json"])
    sim.add_target("a/b.txt", b"hello")
    sim.publish()
    with sim.over_http() as url:
        options = [
            ["--metadata-dir", str(metadata)],
            ["--metadata-url", f"{url}/metadata", "--target-name", "a/b.txt"],
            ["--target-base-url", f"{url}/targets", "--target-dir", str(tmp_path / "t")],
        ]
        flat = [word for option in options for word in option]
        commands = {
            "before": [[*options[0], "init", str(root)], [*flat, "download"]],
            "after": [["init", str(root), *options[0]], ["download", *flat]],
            "around": [["init", *options[0], str(root)], [*options[0], *options[1], "download", *options[2]]],
        }[place]
        for arguments in commands:
            done = _as_process(*arguments)
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "t" / "a%2Fb.txt").read_bytes() == b"hello"


@pytest.mark.skipif(not shutil.which("faketime"), reason="needs the faketime command")
def test_the_clock_is_the_systems(sim, tmp_path):
    root = tmp_path / "r.json"
    root.write_bytes(sim.files["1.root.json"])
    assert _as_process("--metadata-dir", str(tmp_path / "m"), "init", str(root)).returncode == 0
    with sim.over_http() as url:
        arguments = ["--metadata-dir", str(tmp_path / "m"), "--metadata-url", f"{url}/metadata", "refresh"]
        later = f"{sim.now + 31 * DAY:%Y-%m-%d %H:%M:%S}"
        done = _as_process(*arguments, wrapper=("faketime", later))
        assert (done.returncode, "MetadataExpired" in done.stderr) == (1, True)
        assert _as_process(*arguments).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["refresh"],
        ["--metadata-dir", "m"],
        ["--metadata-dir", "m", "init"],
        ["--metadata-dir", "m", "init", "there-is-none.json"],
        ["--metadata-dir", "m", "refresh"],
        ["--metadata-dir", "m", "--metadata-url", "http://127.0.0.1:9/", "refresh"],
        ["--metadata-dir", "m", "--metadata-url", "http://127.0.0.1:9/", "download"],
        ["--metadata-dir", "m", "launch"],
    ],
    ids=" ".join,
)
def test_every_failure_is_status_1_with_words(command_line, arguments):
    assert command_line(*arguments) == 1
    assert command_line.stderr.strip()


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/", "127.0.0.1", "http://127.0.0.1:9", "http://[", "http://h:x/"]
)
def test_a_server_that_is_none_is_a_failure(sim, connect, url):
    client = connect(sim)
    client.url = url
    assert client.refresh() == 1
    assert client.roles() == {"root": 1}


def test_a_server_error_is_a_failure_and_not_the_end_of_the_chain(sim, connect):
    client = connect(sim)
    sim.serve["2.root.json"] = lambda: (_ for _ in ()).throw(ConnectionAbortedError)
    assert client.refresh() == 1
    assert client.roles() == {"root": 1}


# Keys and signatures


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_each_key_type_signs_each_role(connect, kind):
    sim = Simulator()
    for role in TOP_LEVEL:
        sim.entitle(role, [KEY_TYPES[kind]()])
    sim.root.version = 0
    root = sim.publish_root()
    sim.publish()
    assert connect(sim, root).refresh() == 0


@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize("role", TOP_LEVEL)
def test_a_signature_that_is_broken_counts_nothing(sim, connect, role, kind):
    client = connect(sim)
    sim.rotate(role, kind=kind)
    sim.publish()
    name = {"timestamp": "timestamp.json", "root": "2.root.json"}.get(role, f"2.{role}.json")
    document = json.loads(sim.files[name])
    for signature in document["signatures"]:
        signature["sig"] = f"{int(signature['sig'][:2], 16) ^ 1:02x}" + signature["sig"][2:]
    sim.serve[name] = json.dumps(document).encode()
    assert client.refresh() == 1
    assert role == "root" or role not in client.roles()


@pytest.mark.parametrize("role", TOP_LEVEL)
@pytest.mark.parametrize(
    "signatures", [[], [{"keyid": "0" * 64, "sig": "00"}], [{"keyid": "x", "sig": "not hex"}], "none", None]
)
def test_unsigned_metadata_is_refused(sim, connect, role, signatures):
    client = connect(sim)
    sim.publish_root()
    name = {"timestamp": "timestamp.json", "root": "2.root.json"}.get(role, f"1.{role}.json")
    sim.serve[name] = json.dumps(json.loads(sim.files[name]) | {"signatures": signatures}).encode()
    assert client.refresh() == 1


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_a_threshold_counts_keys(sim, connect, role):
    """Two of three sign; one alone, one twice, or one beside a stranger are too few."""
    client = connect(sim)
    sim.rotate(role, count=3, threshold=2)
    one, two, three = sim.signers[role]
    old_root = [] if role == "root" else sim.signers["root"]

    def publish(*signers: CryptoSigner) -> None:
        if role == "root":
            sim.publish_root(list(signers))
        else:
            sim.signers[role] = list(signers)
            sim.publish()

    assert client.refresh() == (0 if role == "root" else 1) or old_root
    for bad in ([one], [one, new_signer()]):
        publish(*bad)
        assert client.refresh() == 1
        if role == "root":
            del sim.files[f"{sim.root.version}.root.json"]
            sim.root.version -= 1
    publish(two, three)
    assert client.refresh() == 0
    assert client.roles()[role] > 1 or role != "root"


@pytest.mark.parametrize("role", TOP_LEVEL[1:])
def test_one_key_under_two_ids_is_one(sim, connect, role):
    client = connect(sim)
    signer = sim.signers[role][0]
    key = signer.public_key
    again = type(key)("another-id", key.keytype, key.scheme, dict(key.keyval))
    sim.root.keys["another-id"] = again
    sim.root.roles[role].keyids.append("another-id")
    sim.root.roles[role].threshold = 2
    sim.publish_root()
    sim.publish()
    name = {"timestamp": "timestamp.json"}.get(role, f"2.{role}.json")
    document = json.loads(sim.files[name])
    document["signatures"].append(document["signatures"][0] | {"keyid": "another-id"})
    sim.serve[name] = json.dumps(document).encode()
    assert client.refresh() == 1
    sim.root.roles[role].threshold = 1
    sim.publish_root()
    assert client.refresh() == 0


@pytest.mark.parametrize("role", TOP_LEVEL[1:])
def test_a_signature_that_stands_twice_is_refused(sim, connect, role):
    client = connect(sim)
    name = {"timestamp": "timestamp.json"}.get(role, f"1.{role}.json")
    document = json.loads(sim.files[name])
    sim.serve[name] = json.dumps(document | {"signatures": document["signatures"] * 2}).encode()
    assert client.refresh() == 1
    assert role not in client.roles()


def test_key_ids_that_stand_twice_in_a_role_are_refused(sim, connect):
    client = connect(sim)
    document = json.loads(sim.files["1.root.json"])["signed"] | {"version": 2}
    document["roles"]["timestamp"]["keyids"] *= 2
    sim.files["2.root.json"] = _sign_json(document, sim.signers["root"])
    assert client.refresh() == 1
    assert client.roles() == {"root": 1}


def test_a_key_id_need_not_be_the_keys_hash(sim, connect):
    client = connect(sim)
    key = sim.signers["timestamp"][0].public_key
    sim.signers["timestamp"][0].public_key.keyid = "any-name"
    sim.root.keys["any-name"] = key
    sim.root.roles["timestamp"].keyids = ["any-name"]
    sim.publish_root()
    sim.publish_timestamp()
    assert client.refresh() == 0


UNKNOWN_KEYS = {
    "type": {"keytype": "quantum", "scheme": "quantum-1", "keyval": {"public": "00"}},
    "scheme": {"keytype": "ed25519", "scheme": "ed25519-2", "keyval": {"public": "00" * 32}},
    "value": {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "-----BEGIN nothing"}},
    "no value": {"keytype": "ed25519", "scheme": "ed25519", "keyval": {}},
    "certificate": {"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "a", "issuer": "b"}},
    "no key": None,
}


def _sign_json(signed: dict, signers: list[CryptoSigner]) -> bytes:
    from securesystemslib.formats import encode_canonical  # noqa: PLC0415 - only here

    payload = encode_canonical(signed).encode()
    signatures = [{"keyid": s.public_key.keyid, "sig": s.sign(payload).signature} for s in signers]
    return json.dumps({"signatures": signatures, "signed": signed}).encode()


@pytest.mark.parametrize("name", UNKNOWN_KEYS)
@pytest.mark.parametrize("threshold", [1, 2])
def test_a_key_that_this_client_cannot_use_signs_nothing_and_breaks_nothing(sim, connect, name, threshold):
    client = connect(sim)
    document = json.loads(sim.files["1.root.json"])["signed"] | {"version": 2}
    document["keys"]["unknown"] = UNKNOWN_KEYS[name]
    document["roles"]["timestamp"]["keyids"].insert(0, "unknown")
    document["roles"]["timestamp"]["threshold"] = threshold
    sim.files["2.root.json"] = _sign_json(document, sim.signers["root"])
    timestamp = json.loads(sim.files["timestamp.json"])
    timestamp["signatures"].insert(0, {"keyid": "unknown", "sig": "00"})
    sim.serve["timestamp.json"] = json.dumps(timestamp).encode()
    assert client.refresh() == threshold - 1
    assert client.roles()["root"] == 2


def test_the_order_of_members_and_white_space_are_not_signed(sim, connect):
    client = connect(sim)
    for name in ("timestamp.json", "1.snapshot.json", "1.targets.json"):
        document = json.loads(sim.files[name])
        backwards = dict(reversed(document["signed"].items()))
        sim.serve[name] = json.dumps({"signatures": document["signatures"], "signed": backwards}, indent=3).encode()
    assert client.refresh() == 0
    assert (client.metadata_dir / "timestamp.json").read_bytes() == sim.serve["timestamp.json"]


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_a_member_that_stands_twice_is_refused(sim, connect, name):
    client = connect(sim)
    sim.serve[name] = sim.files[name].replace(b'"version":1', b'"version":9,"version":1')
    assert b'"version":9' in sim.serve[name]
    assert client.refresh() == 1


def test_fields_of_ones_own_are_signed_and_kept(sim, connect):
    client = connect(sim)
    for part in (sim.root, sim.timestamp, sim.snapshot, sim.targets):
        part.unrecognized_fields["x-note"] = {"nested": ["ü", 1, None, True]}
    sim.root.keys[sim.signers["root"][0].public_key.keyid].unrecognized_fields["x-keyowner"] = "@somebody"
    sim.targets.targets["a"] = TargetFile.from_data("a", b"a")
    sim.targets.targets["a"].unrecognized_fields["custom"] = {"x": 1}
    sim.publish_root()
    sim.publish()
    assert client.refresh() == 0
    altered = sim.files["timestamp.json"].replace(b"nested", b"nesteD")
    sim.publish_timestamp()
    sim.serve["timestamp.json"] = altered
    assert client.refresh() == 1


# Roots


def test_a_chain_of_roots_is_walked_and_kept(sim, connect):
    client = connect(sim)
    for _ in range(4):
        sim.rotate("root")
    assert client.refresh() == 0
    assert client.roles() == trusted(root=5)
    history = client.metadata_dir / "root_history"
    assert {path.name for path in history.iterdir()} == {f"{n}.root.json" for n in range(1, 6)}
    for path in history.iterdir():
        assert path.read_bytes() == sim.files[path.name]


def test_a_chain_may_be_as_long_as_the_reference_clients(sim, connect):
    client = connect(sim)
    for _ in range(258):
        sim.publish_root()
    assert client.refresh() == 0
    assert client.roles()["root"] == 257
    assert client.refresh() == 0
    assert client.roles()["root"] == 259


KEY_SETS = ["1", "2", "1,2", "3", "1,3", "2,3", "1,2,3"]


@pytest.mark.parametrize(("signed_by", "threshold"), list(product(KEY_SETS, [1, 2])))
def test_a_new_root_needs_the_old_keys_and_the_new_ones(connect, signed_by, threshold):
    """Old root: keys 1 and 2; new root: keys 2 and 3; the same threshold in both."""
    keys = {name: new_signer() for name in "123"}
    sim = Simulator()
    sim.signers["root"] = [keys["1"], keys["2"]]
    sim.entitle("root", threshold=threshold)
    sim.root.version = 0
    client = connect(sim, sim.publish_root())
    sim.entitle("root", [keys["2"], keys["3"]], threshold)
    names = set(signed_by.split(","))
    sim.publish_root([keys[name] for name in names])
    enough = len(names & {"1", "2"}) >= threshold and len(names & {"2", "3"}) >= threshold
    assert client.refresh() == (0 if enough else 1)
    assert client.roles()["root"] == (2 if enough else 1)


@pytest.mark.parametrize("version", [1, 3, 99])
def test_a_root_of_another_version_than_the_next_is_refused(sim, connect, version):
    client = connect(sim)
    sim.root.version = version - 1
    sim.serve["2.root.json"] = sim.publish_root()
    assert client.refresh() == 1
    assert client.roles() == {"root": 1}


def test_an_intermediate_root_may_be_expired_but_not_the_last(sim, connect):
    client = connect(sim)
    good = sim.root.expires
    sim.root.expires = sim.now - DAY
    sim.publish_root()
    assert client.refresh() == 1
    assert client.roles() == {"root": 2}  # kept all the same: 5.3.8 comes before 5.3.10
    sim.root.expires = good
    sim.publish_root()
    assert client.refresh() == 0
    assert client.roles() == trusted(root=3)


def test_a_root_that_fails_keeps_those_before_it(sim, connect):
    client = connect(sim)
    sim.publish_root()
    sim.publish_root()
    sim.publish_root([new_signer()])
    assert client.refresh() == 1
    assert client.roles() == {"root": 3}


def test_an_unsigned_initial_root_is_no_trust(sim, command_line, tmp_path):
    client = CliClient(command_line, "http://127.0.0.1:9", tmp_path)
    data = json.dumps(json.loads(sim.files["1.root.json"]) | {"signatures": []}).encode()
    assert client.init(data) == 1
    assert client.init(b"{}") == 1
    assert client.roles() == {}


def test_an_expired_initial_root_is_where_one_begins(connect):
    sim = Simulator()
    sim.root.expires = sim.now - DAY
    sim.root.version = 0
    client = connect(sim, sim.publish_root())
    assert client.refresh() == 1
    sim.root.expires = sim.now + DAY
    sim.publish_root()
    assert client.refresh() == 0


def test_another_root_in_the_same_directory_is_refused(sim, connect):
    client = connect(sim)
    assert client.init(sim.files["1.root.json"]) == 0
    assert client.init(Simulator().files["1.root.json"]) == 1
    assert client.refresh() == 0


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("kind", KEY_TYPES)
def test_after_a_rotation_only_the_new_key_signs(sim, connect, role, kind):
    client = connect(sim)
    assert client.refresh() == 0
    old = sim.signers[role]
    sim.rotate(role, kind=kind)
    new = sim.signers[role]
    sim.signers[role] = old
    sim.publish()
    assert client.refresh() == 1
    sim.signers[role] = new
    sim.publish()
    assert client.refresh() == 0
    assert client.roles() == trusted(root=2, timestamp=3, snapshot=3, targets=3)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_new_key_alone_makes_what_is_kept_worthless(sim, connect, role):
    """Root names another key; the server has signed the same versions anew."""
    client = connect(sim)
    assert client.refresh() == 0
    sim.rotate(role)
    if role == "targets":
        sim.targets.version -= 1
        sim.publish_targets()
    sim.sign_again()
    assert client.refresh() == 0
    for name in TOP_LEVEL[1:]:
        served = "timestamp.json" if name == "timestamp" else f"1.{name}.json"
        assert (client.metadata_dir / f"{name}.json").read_bytes() == sim.files[served]


# Rollback, freeze, mix and match


ROLLBACKS = ["timestamp", "snapshot in timestamp", "targets in snapshot", "targets dropped from snapshot"]


def _roll_back(sim: Simulator, what: str) -> None:
    """From version 2 of everything."""
    if what == "timestamp":
        sim.timestamp.version = 0
        sim.publish_timestamp()
    elif what == "snapshot in timestamp":
        sim.timestamp.snapshot_meta = MetaFile(1)
        sim.publish_timestamp()
    elif what == "targets in snapshot":
        sim.snapshot.meta["targets.json"].version = 1
        sim.publish_snapshot()
        sim.publish_timestamp()
    else:
        del sim.snapshot.meta["targets.json"]
        sim.publish_snapshot()
        sim.publish_timestamp()


@pytest.mark.parametrize("what", ROLLBACKS)
@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("later", [None, 20])
def test_nothing_goes_back(connect, what, hashes, later):
    """Also when what is kept is expired by now: it is a floor all the same."""
    sim = Simulator(hashes=hashes)
    short = sim.now + 10 * DAY
    sim.timestamp.expires = sim.snapshot.expires = sim.targets.expires = short
    sim.publish()
    client = connect(sim)
    assert client.refresh() == 0
    sim.timestamp.expires = sim.snapshot.expires = sim.targets.expires = sim.now + 30 * DAY
    _roll_back(sim, what)
    before = client.roles()
    assert client.refresh(later and sim.now + later * DAY) == 1
    after = client.roles()
    assert after | {"timestamp": 2} == before
    assert after["timestamp"] == (2 if "timestamp" in what else 3)


def test_a_rollback_is_seen_though_the_kept_snapshot_is_not_the_one_named_now(connect):
    """The floor holds by its signature alone; the new timestamp states the hash of another snapshot."""
    sim = Simulator()
    sim.publish()
    client = connect(sim)
    assert client.refresh() == 0
    sim.hashes = True
    sim.targets.version = 0
    sim.publish()
    assert client.refresh() == 1
    assert client.roles()["snapshot"] == 2


def test_a_rollback_is_seen_though_the_kept_timestamp_is_lost(sim, connect):
    old = sim.files["timestamp.json"]
    client = connect(sim)
    sim.publish()
    assert client.refresh() == 0
    (client.metadata_dir / "timestamp.json").unlink()
    sim.serve["timestamp.json"] = old
    assert client.refresh() == 1
    assert client.roles()["snapshot"] == 2


def test_an_equal_timestamp_is_no_news_whatever_it_says(sim, connect):
    client = connect(sim)
    assert client.refresh() == 0
    kept = (client.metadata_dir / "timestamp.json").read_bytes()
    sim.timestamp.unrecognized_fields["x"] = 1
    sim.timestamp.expires += DAY
    sim.timestamp.snapshot_meta = MetaFile(7)
    sim.timestamp.version -= 1
    sim.publish_timestamp()
    assert client.refresh() == 0
    assert (client.metadata_dir / "timestamp.json").read_bytes() == kept


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_an_expired_role_is_a_freeze(sim, connect, role):
    """On first contact; the roles before it are kept, it is not."""
    part = getattr(sim, role)
    part.expires = sim.now + 5 * DAY
    if role == "root":
        sim.publish_root()
    sim.publish()
    client = connect(sim)
    assert client.refresh(sim.now + 6 * DAY) == 1
    before = {"root": [], "timestamp": ["root"], "snapshot": ["root", "timestamp"]}
    assert sorted(client.roles()) == before.get(role, ["root", "snapshot", "timestamp"]) or role == "root"
    assert "targets" not in client.roles()
    assert client.refresh(sim.now + 4 * DAY) == 0


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_what_has_expired_meanwhile_is_a_freeze(sim, connect, role):
    getattr(sim, role).expires = sim.now + 5 * DAY
    sim.publish_root()
    sim.publish()
    client = connect(sim)
    assert client.refresh() == 0
    before = client.roles()
    assert client.refresh(sim.now + 6 * DAY) == 1
    assert client.roles() == before
    getattr(sim, role).expires = sim.now + 30 * DAY
    sim.publish_root()
    sim.publish()
    assert client.refresh(sim.now + 6 * DAY) == 0


def test_the_second_of_expiry_is_too_late(sim, connect):
    sim.timestamp.expires = sim.now + 5 * DAY
    sim.publish_timestamp()
    client = connect(sim)
    assert client.refresh(sim.timestamp.expires) == 1
    assert client.refresh(sim.timestamp.expires - timedelta(seconds=30)) == 0


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("fault", ["hash", "length", "version", "unknown hash"])
def test_what_a_parent_states_must_be_so(sim, connect, role, fault):
    client = connect(sim)
    meta = sim.snapshot.meta["targets.json"] if role == "targets" else sim.timestamp.snapshot_meta
    if fault == "version":
        meta.version = 2
        sim.files[f"2.{role}.json"] = sim.files[f"1.{role}.json"]
    elif fault == "length":
        meta.length = len(sim.files[f"1.{role}.json"]) - 1
    else:
        meta.hashes = {"sha256" if fault == "hash" else "sha0": "0" * 64}
    if role == "targets":
        sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.refresh() == 1
    assert role not in client.roles()


def test_stated_hashes_and_lengths_that_are_right_are_right(connect):
    sim = Simulator(hashes=True)
    sim.publish()
    client = connect(sim)
    assert client.refresh() == 0
    assert client.roles() == trusted(timestamp=2, snapshot=2, targets=2)


def test_pieces_of_two_publications_do_not_mix(connect):
    sim = Simulator(hashes=True)
    client = connect(sim)
    sim.publish()
    sim.serve["2.snapshot.json"] = sim.files["1.snapshot.json"]
    assert client.refresh() == 1
    del sim.serve["2.snapshot.json"]
    sim.serve["2.targets.json"] = sim.files["1.targets.json"]
    assert client.refresh() == 1
    del sim.serve["2.targets.json"]
    assert client.refresh() == 0


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_is_announced_but_not_served_is_a_failure(sim, connect, role):
    client = connect(sim)
    sim.serve[{"timestamp": "timestamp.json"}.get(role, f"1.{role}.json")] = None
    assert client.refresh() == 1
    assert role not in client.roles()


# Fast-forward recovery


def test_recovery_from_a_timestamp_that_was_sent_far_ahead(sim, connect):
    client = connect(sim)
    sim.timestamp.version = 99_998
    sim.publish_timestamp()
    assert client.refresh() == 0
    sim.timestamp.version = 1
    sim.publish_timestamp()
    assert client.refresh() == 1
    sim.rotate("timestamp")
    sim.timestamp.version = 1
    sim.publish_timestamp()
    assert client.refresh() == 0
    assert client.roles() == trusted(root=2, timestamp=2)


@pytest.mark.parametrize("rotated", [("snapshot",), ("snapshot", "timestamp")])
def test_recovery_from_a_snapshot_that_was_sent_far_ahead(sim, connect, rotated):
    client = connect(sim)
    sim.snapshot.version = 99_998
    sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.refresh() == 0
    sim.snapshot.version = 1
    sim.rotate(*rotated)
    sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.refresh() == 0
    assert client.roles() == trusted(root=2, timestamp=3, snapshot=2)


def test_recovery_from_targets_that_were_sent_far_ahead(sim, connect):
    client = connect(sim)
    sim.targets.version = 99_998
    sim.publish()
    assert client.refresh() == 0
    sim.targets.version = 1
    sim.publish()
    assert client.refresh() == 1
    sim.rotate("snapshot")
    sim.targets.version = 2
    sim.publish()
    assert client.refresh() == 0
    assert client.roles()["targets"] == 3


def test_recovery_from_a_delegated_role_that_was_sent_far_ahead(sim, connect):
    sim.delegate("targets", "r")
    sim.add_target("a", b"a", "r")
    client = connect(sim)
    sim.delegated["r"].version = 99_998
    sim.publish("r")
    assert client.download("a") == 0
    sim.rotate("snapshot")
    sim.delegated["r"].version = 1
    sim.publish("r")
    assert client.download("a") == 0
    assert client.roles()["r"] == 2


def test_the_floor_goes_with_the_key_and_not_before(sim, connect):
    """A key that is only added takes nothing back."""
    client = connect(sim)
    sim.publish()
    assert client.refresh() == 0
    sim.entitle("timestamp", [*sim.signers["timestamp"], new_signer()])
    sim.publish_root()
    sim.timestamp.version = 0
    sim.publish_timestamp()
    assert client.refresh() == 1
    assert client.roles()["timestamp"] == 2


# Lengths


LONG = b" " * 70_000_000


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("2.root.json", 512_000),
        ("timestamp.json", 16_384),
        ("1.snapshot.json", 2_000_000),
        ("1.targets.json", 5_000_000),
    ],
)
def test_endless_metadata_ends_at_its_limit(sim, connect, name, limit):
    client = connect(sim)
    sim.publish_root()
    good = sim.files[name]
    sim.serve[name] = good + b" " * (limit - len(good))
    assert client.refresh() == 0
    shutil.rmtree(client.metadata_dir)
    assert client.init(sim.files["1.root.json"]) == 0
    sim.serve[name] = good + b" " * (limit + 1 - len(good))
    assert client.refresh() == 1
    assert "longer than" in client.run.stderr


def test_a_stated_length_is_the_limit(sim, connect):
    client = connect(sim)
    sim.timestamp.snapshot_meta.length = len(sim.files["1.snapshot.json"])
    sim.publish_timestamp()
    sim.serve["1.snapshot.json"] = sim.files["1.snapshot.json"] + b" "
    assert client.refresh() == 1
    assert "longer than" in client.run.stderr


def test_a_stated_length_above_the_usual_limit_is_believed_within_reason(sim, connect):
    client = connect(sim)
    data = sim.files["1.targets.json"] + b" " * 6_000_000
    sim.files["1.targets.json"] = data
    sim.snapshot.meta["targets.json"] = MetaFile(1, len(data))
    sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.refresh() == 0


# Consistent snapshots, off and on


def test_without_consistent_snapshots_names_are_plain(connect):
    sim = Simulator(consistent=False)
    sim.delegate("targets", "r")
    sim.add_target("a", b"artifact", "r")
    sim.publish()
    client = connect(sim)
    assert client.download("a") == 0
    assert sim.asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "r.json", "a"]
    assert client.roles()["r"] == 1


def test_with_consistent_snapshots_names_carry_version_and_hash(sim, connect):
    sim.delegate("targets", "r", paths=["d/*"])
    sim.add_target("d/a", b"artifact", "r")
    sim.publish("r")
    client = connect(sim)
    assert client.download("d/a") == 0
    digest = sim.delegated["r"].targets["d/a"].hashes["sha256"]
    assert sim.asked[2:] == ["2.snapshot.json", "2.targets.json", "1.r.json", f"d/{digest}.a"]


def test_a_repository_may_turn_consistent_snapshots_on(connect):
    sim = Simulator(consistent=False)
    client = connect(sim)
    assert client.refresh() == 0
    sim.root.consistent_snapshot = True
    sim.publish_root()
    sim.publish()
    sim.asked.clear()
    assert client.refresh() == 0
    assert sim.asked[-2:] == ["2.snapshot.json", "2.targets.json"]


def test_a_root_that_does_not_say_means_plain_names(connect):
    sim = Simulator(consistent=False)
    sim.root.consistent_snapshot = None
    sim.root.version = 0
    client = connect(sim, sim.publish_root())
    assert client.refresh() == 0
    assert sim.asked[-1] == "targets.json"


# Delegations

UNUSUAL_NAMES = [
    "?", "#", "/delegatedrole", "../delegatedrole", "unusual name with spaces", "a/b", ".", "..", "ünï", "%2F", "a%",
    "9.root", "C:\\x", "role.json", "'\"", "&a=b", "\n", "ﬁ", "🚀", "~", "+", "-", "timestamp.json", "Root",
]  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL_NAMES)
@pytest.mark.parametrize("consistent", [True, False])
def test_a_roles_name_is_never_a_path(connect, name, consistent):
    sim = Simulator(consistent=consistent)
    sim.delegate("targets", name)
    sim.add_target("a", b"a", name)
    sim.publish()
    client = connect(sim)
    inside = client.directory
    assert client.download("a") == 0
    quoted = quote(name, safe="")
    assert (client.metadata_dir / f"{quoted}.json").is_file()
    assert sim.asked[-2] == (f"1.{quoted}.json" if consistent else f"{quoted}.json")
    assert {path.name for path in inside.iterdir()} == {"metadata", "targets", "initial_root.json"}
    assert {path.name for path in client.metadata_dir.iterdir()} == {
        *(f"{role}.json" for role in TOP_LEVEL), f"{quoted}.json", "root_history",
    }  # fmt: skip


# Graphs: (delegator, role, patterns, terminating) in order of appearance; who is asked for the target "f".
ALL = ["*"]
GRAPHS = {
    "one level, all asked in order": (
        [("targets", "A", ALL, False), ("targets", "B", ALL, False), ("targets", "C", ALL, False)],
        ["A", "B", "C"],
    ),
    "pre-order, depth first": (
        [
            ("targets", "A", ALL, False), ("targets", "B", ALL, False),
            ("A", "C", ALL, False), ("A", "D", ALL, False), ("C", "E", ALL, False), ("B", "F", ALL, False),
        ],
        ["A", "C", "E", "D", "B", "F"],
    ),
    "terminating ends siblings": (
        [("targets", "A", ALL, False), ("targets", "B", ALL, True), ("targets", "C", ALL, False)],
        ["A", "B"],
    ),
    "terminating below still searches its own": (
        [("targets", "A", ALL, True), ("A", "B", ALL, False), ("A", "C", ALL, False), ("targets", "D", ALL, False)],
        ["A", "B", "C"],
    ),
    "terminating below ends the parents' siblings": (
        [("targets", "A", ALL, False), ("targets", "D", ALL, False), ("A", "B", ALL, True), ("A", "C", ALL, False)],
        ["A", "B"],
    ),
    "only who may": (
        [
            ("targets", "A", ["x*"], False), ("targets", "B", ["f"], False),
            ("B", "C", ["?"], False), ("B", "D", ["??"], True),
        ],
        ["B", "C"],
    ),
    "terminating for another path ends nothing": (
        [("targets", "A", ["x"], True), ("targets", "B", ALL, False)],
        ["B"],
    ),
    "a cycle of two": ([("targets", "A", ALL, False), ("A", "B", ALL, False), ("B", "A", ALL, False)], ["A", "B"]),
    "itself": ([("targets", "A", ALL, False), ("A", "A", ALL, False), ("targets", "B", ALL, False)], ["A", "B"]),
    "a diamond is asked once": (
        [("targets", "A", ALL, False), ("targets", "B", ALL, False), ("A", "C", ALL, False), ("B", "C", ALL, False)],
        ["A", "C", "B"],
    ),
    "a pattern does not cross a slash": ([("targets", "A", ["*/*"], False), ("targets", "B", ["d/*"], False)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_delegations_are_searched_in_order(sim, connect, name):
    edges, visited = GRAPHS[name]
    for delegator, role, paths, terminating in edges:
        sim.delegate(delegator, role, paths=paths, terminating=terminating)
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 1
    assert [asked.split(".")[1] for asked in sim.asked[4:]] == visited
    assert sorted(client.roles()) == sorted([*TOP_LEVEL, *visited])
    # The first of them that lists it is believed, and nobody after it is asked.
    for index, role in enumerate(visited):
        sim.add_target("f", role.encode(), role)
        sim.publish(role)
        sim.asked.clear()
        assert client.download("f") == 0
        assert client.artifacts()[-1] == role.encode()
        del sim.delegated[role].targets["f"]
        sim.publish(role)
        assert all(asked.split(".")[1] in visited[: index + 1] for asked in sim.asked[4:-1])


def test_the_top_level_comes_first(sim, connect):
    sim.delegate("targets", "A")
    sim.add_target("f", b"of A", "A")
    sim.add_target("f", b"of the top level")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    assert client.artifacts() == [b"of the top level"]
    assert "A" not in client.roles()


def _chain(sim: Simulator, length: int) -> None:
    for number in range(length):
        sim.delegate("targets" if number == 0 else f"r{number - 1}", f"r{number}")
    sim.add_target("f", b"at the end", f"r{length - 1}")
    sim.publish()


@pytest.mark.parametrize(("length", "status"), [(32, 0), (33, 1)])
def test_32_delegations_are_followed(sim, connect, length, status):
    _chain(sim, length)
    assert connect(sim).download("f") == status


def test_endless_siblings_end(sim, connect):
    for number in range(40):
        sim.delegate("targets", f"r{number}")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 1
    assert len(client.roles()) == 4 + 32


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_succinct_hash_bins(sim, connect, bits):
    sim.delegate_succinctly("targets", bits, "bin")
    paths = ["a", "b/c", "d e", "ü"]
    for path in paths:
        sim.add_target(path, path.encode(), sim.targets.delegations.succinct_roles.get_role_for_target(path))
    sim.publish()
    client = connect(sim)
    assert client.download(*paths) == 0
    assert client.artifacts() == [path.encode() for path in paths]
    assert client.download("not there") == 1


def test_hash_prefixes(sim, connect):
    for name, prefixes in {"low": list("01234567"), "high": list("89abcdef")}.items():
        sim.delegate("targets", name, prefixes=prefixes, terminating=True)
    import hashlib  # noqa: PLC0415 - only here

    paths = [f"file{number}" for number in range(4)]
    for path in paths:
        half = "low" if hashlib.sha256(path.encode()).hexdigest()[0] in "01234567" else "high"
        sim.add_target(path, path.encode(), half)
    sim.publish()
    client = connect(sim)
    assert client.download(*paths) == 0
    assert client.artifacts() == [path.encode() for path in paths]


@pytest.mark.parametrize("fault", ["unsigned", "not served", "not listed", "expired", "hash", "version", "wrong type"])
def test_a_delegated_role_that_does_not_check_out_ends_the_search(sim, connect, fault):
    sim.delegate("targets", "A", paths=["f"])
    sim.delegate("targets", "B")
    sim.add_target("f", b"f", "B")
    sim.add_target("g", b"g", "B")
    sim.publish()
    client = connect(sim)
    if fault == "unsigned":
        sim.signers["A"] = [new_signer()]
        sim.publish("A")
    elif fault == "not served":
        sim.serve["1.A.json"] = None
    elif fault == "not listed":
        del sim.snapshot.meta["A.json"]
    elif fault == "expired":
        sim.delegated["A"].expires = sim.now - DAY
        sim.publish("A")
    elif fault == "hash":
        sim.snapshot.meta["A.json"].hashes = {"sha256": "0" * 64}
    elif fault == "version":
        sim.snapshot.meta["A.json"].version = 2
        sim.files["2.A.json"] = sim.files["1.A.json"]
    else:
        sim.serve["1.A.json"] = sim.files["timestamp.json"]
    sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.download("f") == 1
    assert client.artifacts() == []
    assert client.download("g") == 0  # B alone may sign that one


def test_a_delegated_threshold(sim, connect):
    one, two, three = (new_signer() for _ in range(3))
    sim.delegate("targets", "A", signers=[one, two, three], threshold=2)
    sim.add_target("f", b"f", "A")
    for signers, status in (([one], 1), ([one, new_signer()], 1), ([three, one], 0)):
        sim.signers["A"] = signers
        sim.publish("A")
        client = connect(sim)
        assert client.download("f") == status


def test_a_kept_delegated_role_is_verified_for_who_delegates_now(sim, connect):
    """The delegator takes another key, and the role's own file stays as it was."""
    sim.delegate("targets", "A")
    sim.add_target("f", b"f", "A")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    sim.delegate("targets", "A", signers=[new_signer()])
    sim.publish()
    shutil.rmtree(client.target_dir)
    assert client.download("f") == 1
    assert client.artifacts() == []
    sim.signers["A"] = [new_signer()]
    sim.delegate("targets", "A", signers=sim.signers["A"])
    sim.delegated["A"].version -= 1  # the same version, signed anew
    sim.publish("A")
    assert client.download("f") == 0


def test_a_kept_delegated_role_is_verified_for_another_delegator(sim, connect):
    """First ``targets`` led to A; now B does, who trusts another key for it."""
    sim.delegate("targets", "A")
    sim.add_target("f", b"f", "A")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    del sim.targets.delegations.roles["A"]
    sim.delegate("targets", "B")
    sim.delegate("B", "A", signers=[new_signer()])
    sim.publish()
    shutil.rmtree(client.target_dir)
    assert client.download("f") == 1
    assert client.artifacts() == []


def test_two_delegators_of_one_role_in_one_run(sim, connect):
    """Each search stands by itself: what A's delegation let pass says nothing about B's."""
    good, other = new_signer(), new_signer()
    sim.delegate("targets", "A", paths=["f"])
    sim.delegate("targets", "B", paths=["g"])
    sim.delegate("A", "C", paths=["f"], signers=[good])
    sim.delegate("B", "C", paths=["g"], signers=[other])
    sim.add_target("f", b"f", "C")
    sim.add_target("g", b"g", "C")
    sim.publish()
    client = connect(sim)
    assert client.download("f", "g") == 1
    assert client.artifacts() == [b"f"]
    assert client.download("f", "f") == 0


def test_an_unchanged_delegated_role_is_not_fetched_again(sim, connect):
    sim.delegate("targets", "A")
    sim.add_target("f", b"f", "A")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    sim.publish()
    sim.asked.clear()
    assert client.download("f") == 0
    assert "1.A.json" not in sim.asked


def test_a_delegated_role_does_not_go_back(sim, connect):
    sim.delegate("targets", "A")
    sim.add_target("f", b"f", "A")
    sim.publish()
    sim.publish("A")
    client = connect(sim)
    assert client.download("f") == 0
    sim.snapshot.meta["A.json"].version = 1
    sim.publish_snapshot()
    sim.publish_timestamp()
    assert client.refresh() == 1


def test_a_delegated_role_may_not_take_a_top_level_name(sim, connect):
    client = connect(sim)
    sim.delegate("targets", "x")
    data = json.loads(sim.sign(sim.targets, sim.signers["targets"]))["signed"] | {"version": 2}
    data["delegations"]["roles"][0]["name"] = "snapshot"
    sim.publish()
    sim.serve["2.targets.json"] = _sign_json(data, sim.signers["targets"])
    assert client.refresh() == 1


# Artifacts

UNUSUAL_PATHS = [
    "a", "a/b/c", "../a", "/a", "a//b", "with space", "ünï/ü", "a%20b", "100%", "a?b", "a#b", "..", "a+b&c=d", "~a",
    "🚀", ".hidden", "a\\b", "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("path", UNUSUAL_PATHS)
def test_an_artifact_is_one_file_inside_the_directory(connect, path, consistent):
    sim = Simulator(consistent=consistent)
    sim.add_target(path, b"content")
    sim.artifacts = {name.replace("%20", " "): data for name, data in sim.artifacts.items()}  # what its URL means
    sim.publish()
    client = connect(sim)
    assert client.download(path) == 0
    assert [file.name for file in client.target_dir.iterdir()] == ["%2E%2E" if path == ".." else quote(path, safe="")]
    assert client.artifacts() == [b"content"]


@pytest.mark.parametrize("content", [b"", b"x" * 3_000_000, bytes(range(256))])
@pytest.mark.parametrize("algorithms", [("sha256",), ("sha512",), ("sha512", "sha256"), ("md5", "sha256")])
def test_contents_and_hashes(sim, connect, content, algorithms):
    sim.add_target("f", content, algorithms=algorithms)
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    assert client.artifacts() == [content]


@pytest.mark.parametrize(
    "hashes", [{"sha0": "00"}, {"md5": "9e107d9d372bb6826bd81d3542a419d6"}, {"sha256": "../../x"}, {"sha256": ""}]
)
def test_a_target_without_a_hash_that_proves_anything_is_refused(sim, connect, hashes):
    sim.add_target("f", b"f")
    sim.targets.targets["f"].hashes = hashes
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 1
    assert client.artifacts() == []


@pytest.mark.parametrize("served", [b"other", b"conten", b"content ", b"", None])
def test_an_artifact_that_is_not_the_signed_one_is_refused(sim, connect, served):
    sim.add_target("f", b"content")
    sim.publish()
    client = connect(sim)
    (name,) = sim.artifacts
    sim.serve[name] = served
    assert client.download("f") == 1
    assert client.artifacts() == []
    del sim.serve[name]
    assert client.download("f") == 0


def test_an_endless_artifact_ends_at_its_length(sim, connect):
    sim.add_target("f", b"content")
    sim.publish()
    client = connect(sim)
    (name,) = sim.artifacts
    sim.serve[name] = LONG
    assert client.download("f") == 1
    assert "longer than 7 bytes" in client.run.stderr


def test_an_artifact_that_is_there_is_not_fetched_again(sim, connect):
    sim.add_target("f", b"one")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    sim.asked.clear()
    assert client.download("f", "f") == 0
    assert sim.asked == ["2.root.json", "timestamp.json"]
    (client.target_dir / "f").write_bytes(b"tampered")
    assert client.download("f") == 0
    assert client.artifacts() == [b"one"]


def test_a_new_content_replaces_the_old(sim, connect):
    client = connect(sim)
    for number in range(4):
        sim.add_target("d/f", str(number).encode())
        sim.publish()
        assert client.download("d/f") == 0
        assert client.artifacts() == [str(number).encode()]


def test_several_names_in_order_until_the_first_failure(sim, connect):
    for name in "abc":
        sim.add_target(name, name.encode())
    sim.publish()
    client = connect(sim)
    assert client.download("c", "a", "missing", "b") == 1
    assert client.artifacts() == [b"c", b"a"]
    assert client.download("c", "a", "b") == 0
    assert client.artifacts() == [b"c", b"a", b"b"]


def test_without_a_good_refresh_nothing_is_downloaded(sim, connect):
    sim.add_target("f", b"f")
    sim.publish()
    client = connect(sim)
    assert client.download("f", at=sim.now + 60 * DAY) == 1
    assert client.artifacts() == []


# A directory that someone or something damaged


DAMAGE = {
    "gone": None,
    "empty": b"",
    "half": "half",
    "noise": b"\x00\xff" * 50,
    "other json": b"[1]",
    "nested": b"[" * 90_000,
}


def _damage(path: Path, how: str) -> None:
    if DAMAGE[how] is None:
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if how == "half" else DAMAGE[how])


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("role", [*TOP_LEVEL, "A"])
def test_a_damaged_file_is_fetched_anew(sim, connect, role, how):
    sim.delegate("targets", "A")
    sim.add_target("f", b"f", "A")
    sim.rotate("root")
    sim.publish()
    client = connect(sim)
    assert client.download("f") == 0
    before = {path: path.read_bytes() for path in client.metadata_dir.glob("*.json")}
    _damage(client.metadata_dir / f"{role}.json", how)
    assert client.download("f") == 0
    assert {path: path.read_bytes() for path in client.metadata_dir.glob("*.json")} == before


def test_without_any_good_root_there_is_no_client(sim, connect):
    client = connect(sim)
    assert client.refresh() == 0
    (client.metadata_dir / "root.json").write_bytes(b"{")
    for path in (client.metadata_dir / "root_history").iterdir():
        path.write_bytes(b"{")
    assert client.refresh() == 1
    assert "no trusted root" in client.run.stderr


def test_a_lying_history_is_not_believed(sim, connect):
    client = connect(sim)
    assert client.refresh() == 0
    (client.metadata_dir / "root_history" / "2.root.json").write_bytes(Simulator().publish_root())
    assert client.refresh() == 0
    assert client.roles()["root"] == 1


def test_a_root_that_came_no_further_than_the_history_still_drops_the_floor(sim, connect):
    """Cut off between the two files of a rotation, with a server that withholds the new root now."""
    client = connect(sim)
    sim.timestamp.version = 50
    sim.publish_timestamp()
    assert client.refresh() == 0
    sim.rotate("timestamp")
    new_root = sim.files.pop("2.root.json")
    (client.metadata_dir / "root_history" / "2.root.json").write_bytes(new_root)
    sim.timestamp.version = 1
    sim.publish_timestamp()
    assert client.refresh() == 0
    assert client.roles() == trusted(root=2, timestamp=2)


def test_leftovers_of_a_crash_do_not_matter(sim, connect):
    client = connect(sim)
    (client.metadata_dir / ".timestamp.json.0123.tmp").write_bytes(b'{"sig')
    (client.metadata_dir / "root_history" / "x.root.json").write_bytes(b"")
    assert client.refresh() == 0
    assert client.roles() == trusted()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_a_failure(sim, connect):
    client = connect(sim)
    client.metadata_dir.chmod(0o500)
    try:
        assert client.refresh() == 1
    finally:
        client.metadata_dir.chmod(0o700)


def test_what_is_kept_is_what_was_served_byte_for_byte(sim, connect):
    client = connect(sim)
    sim.rotate(*TOP_LEVEL)
    sim.publish()
    assert client.refresh() == 0
    kept = {path.name: path.read_bytes() for path in client.metadata_dir.glob("*.json")}
    assert kept == {
        "root.json": sim.files["2.root.json"],
        "timestamp.json": sim.files["timestamp.json"],
        "snapshot.json": sim.files["2.snapshot.json"],
        "targets.json": sim.files["2.targets.json"],
    }
    assert Metadata[Root].from_bytes(kept["root.json"]).signed.version == 2


def test_the_fake_clock_is_there_where_ci_needs_it():
    assert faketime_library() is None or faketime_library().is_file()
