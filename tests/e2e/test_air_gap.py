"""A site with no network at all: enrolment, policy, audit and receipt in files, between processes that cannot talk.

Where the kernel lets us, each process runs in a network namespace of its own, which has nothing in it.
"""

import json
import os
import shutil
import subprocess

import pytest

from control_plane.defaults import default_routing
from outpost.demo.processes import command
from tests.fakes.model_pack import write_pack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def _unshared() -> list[str]:
    unshare = shutil.which("unshare")
    for prefix in ([unshare, "-n"], [unshare, "-rn"]):
        if unshare and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return [str(part) for part in prefix]
    return []


@pytest.fixture(scope="module")
def prefix():
    return _unshared()


@pytest.fixture
def run(tmp_path, prefix):
    environment = {
        "PATH": os.environ["PATH"],
        "CONTROL_PLANE_DATA_DIR": str(tmp_path / "headquarters"),
        "OUTPOST_DATA_DIR": str(tmp_path / "site"),
    }

    def call(*arguments, ok=True):
        program, *rest = map(str, arguments)
        done = subprocess.run(
            [*prefix, command(program), *rest],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def enrolled(run, tmp_path):
    """The site's id; its enrolment went in two files."""
    run("control-plane", "init", "--org", "acme")
    created = json.loads(run("control-plane", "outpost", "create", "bunker", "--json").stdout)
    (tmp_path / "token").write_text(created["token"])
    run("outpost", "register", "--request", "request.json", "--token-file", "token")
    run("control-plane", "outpost", "enrol", "--request", "request.json", "--answer", "answer.json")
    run("outpost", "register", "--answer", "answer.json")
    return created["outpost_id"]


def imported(run, file="acme.outpost-bundle"):
    return json.loads(run("outpost", "bundle", "import", file, "--json").stdout)


def test_a_site_lives_on_files_alone(run, enrolled, tmp_path):
    (tmp_path / "provider.key").write_text("sk-planted-provider-key-0123456789")
    run("control-plane", "secret", "set", "provider/openai", "--file", "provider.key")
    run("control-plane", "bundle", "export", "acme.outpost-bundle")
    assert b"sk-planted-provider-key" not in (tmp_path / "acme.outpost-bundle").read_bytes()
    first = imported(run)
    assert first == {"snapshot_version": 2, "secrets_version": 2, "revoked": False}
    assert imported(run) == first  # the same again changes nothing

    run("outpost", "audit", "export", "bunker.outpost-audit")
    run("control-plane", "audit", "import", "bunker.outpost-audit", "--receipt", "receipt.json")
    receipt = run("outpost", "audit", "import-receipt", "receipt.json").stdout
    assert "The control plane has the first" in receipt
    assert json.loads((tmp_path / "receipt.json").read_text())["receipt"]["size"] >= 1
    assert json.loads(run("outpost", "audit", "verify", "--json").stdout)["receipts_checked"] == 1
    run("control-plane", "audit", "import", "bunker.outpost-audit", "--receipt", "again.json")  # twice is harmless

    (tmp_path / "routing.json").write_bytes(default_routing("https://llm.example/v1"))
    run("control-plane", "policy", "publish", "--routing", "routing.json")
    run("control-plane", "policy", "rotate-key", "--role", "timestamp")
    run("control-plane", "bundle", "export", "news.outpost-bundle", "--outpost", enrolled)
    assert imported(run, "news.outpost-bundle")["snapshot_version"] == 3
    refused = run("outpost", "bundle", "import", "acme.outpost-bundle", ok=False)  # and never back
    assert refused.stderr.startswith("outpost: the file is older than what this outpost has, which stays")
    assert imported(run, "news.outpost-bundle")["snapshot_version"] == 3

    run("control-plane", "outpost", "revoke", enrolled)
    run("control-plane", "bundle", "export", "last.outpost-bundle")
    assert "revoked" in run("outpost", "bundle", "import", "last.outpost-bundle", ok=False).stdout


def test_a_file_that_was_touched_is_refused_and_nothing_changes(run, enrolled, tmp_path):
    run("control-plane", "bundle", "export", "acme.outpost-bundle")
    good = (tmp_path / "acme.outpost-bundle").read_bytes()
    middle = len(good) // 2
    for bad in (good[:-1], good[:middle], b"", good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]):
        (tmp_path / "bad.outpost-bundle").write_bytes(bad)
        run("outpost", "bundle", "import", "bad.outpost-bundle", ok=False)
    assert imported(run)["snapshot_version"] == 2


def test_nobody_elses_answer_or_bundle_is_taken(run, enrolled, tmp_path):
    environment = {"CONTROL_PLANE_DATA_DIR": str(tmp_path / "other")}
    for arguments in (("init", "--org", "acme"), ("bundle", "export", "other.outpost-bundle")):
        subprocess.run(
            [command("control-plane"), *arguments],
            env={"PATH": os.environ["PATH"], **environment}, cwd=tmp_path, capture_output=True, check=True,
        )  # fmt: skip
    refused = run("outpost", "bundle", "import", "other.outpost-bundle", ok=False)
    assert "for another org, or of another control plane" in refused.stderr
    run("outpost", "register", "--answer", "answer.json", ok=False)  # it is enrolled
    run("outpost", "audit", "import-receipt", "answer.json", ok=False)


def test_lists_and_their_key_travel_in_the_file(run, enrolled, tmp_path):
    (tmp_path / "names.txt").write_text("Quxley Holdings\n", "utf-8")
    run("outpost", "lists", "keygen", "key.json")
    made = run("outpost", "lists", "words", "names.txt", "--id", "customers", "--key", "key.json", "--json")
    document = {"schema_version": "1", "lists": [json.loads(made.stdout)["rule"]]}
    (tmp_path / "detectors.json").write_text(json.dumps(document), "utf-8")
    documents = ("--document", "detectors.json=detectors.json", "--document", "customers.list=customers.list")
    run("control-plane", "policy", "publish", *documents)
    run("control-plane", "bundle", "export", "keyless.outpost-bundle")
    assert "which is not here" in run("outpost", "bundle", "import", "keyless.outpost-bundle", ok=False).stderr
    run("control-plane", "secret", "add-list-key", "key.json")
    run("control-plane", "bundle", "export", "acme.outpost-bundle")
    assert imported(run)["snapshot_version"] == 3


def test_a_model_pack_comes_along_in_the_file(run, enrolled, tmp_path):
    write_pack(tmp_path / "tiny")
    run("control-plane", "policy", "publish", "--models-pack", "tiny")
    run("control-plane", "bundle", "export", "acme.outpost-bundle")
    imported(run)
    status = json.loads(run("outpost", "status", "--json", ok=False).stdout)
    assert (status["models"]["bundle_pack"]["version"], status["models"]["bundle_pack"]["whole"]) == ("1.0", True)
    (folder,) = (tmp_path / "site" / "models" / "packs").iterdir()
    run("outpost", "models", "verify", folder)
    (folder / "model.onnx").unlink()
    checks = json.loads(run("outpost", "doctor", "--json", ok=False).stdout)
    assert [one["status"] for one in checks if one["name"] == "models"] == ["fail"]
    imported(run)  # the same file makes it whole again
    run("outpost", "models", "verify", folder)
