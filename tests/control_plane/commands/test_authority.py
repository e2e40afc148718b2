"""``ca`` as an operator uses it: lists, a rotation, and the root's key out and in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from pki.revocation import verify_crl

ROOT = str(Path(__file__).parents[3])


def test_the_crl_is_pem_and_verifies(run, ready, tmp_path):
    _, out, _ = run("ca", "crl")
    crl = x509.load_pem_x509_crl(out.encode())
    issuer = x509.load_pem_x509_certificate((tmp_path / "control-plane-data/ca/intermediate.pem").read_bytes())
    verify_crl(crl, issuer=issuer, at=crl.last_update_utc)
    assert run("ca", "crl", "--out", tmp_path / "x.crl") == (0, "", "")
    assert (tmp_path / "x.crl").read_text() == out


def test_the_list_of_every_authority_is_written(run, ready):
    out = run("ca", "crl")[1]
    assert [one.issuer.rfc4514_string() for one in x509_crls(out)] == [
        "CN=outpost.internal intermediate",
        "CN=outpost.internal root",
    ]
    anchors = x509.load_pem_x509_certificates(run("ca", "anchors")[1].encode())
    assert [one.subject.rfc4514_string() for one in anchors] == ["CN=outpost.internal root"]


def x509_crls(text):
    blocks = text.split("-----END X509 CRL-----\n")[:-1]
    return [x509.load_pem_x509_crl(f"{block}-----END X509 CRL-----\n".encode()) for block in blocks]


def test_a_rotation_at_the_command_line(run, ready):
    def rotate(*flags):
        code, out, _ = run("ca", "rotate", "intermediate", *flags, "--json")
        assert code == 0
        return json.loads(out)

    assert rotate("--status")["phase"] == "idle"
    assert rotate("--prepare")["next_step"] == "activate"
    assert rotate("--activate")["phase"] == "activated"
    assert rotate("--rollback")["phase"] == "prepared"
    rotate("--activate")
    done = rotate("--retire")
    states = {one["name"]: one["state"] for one in done["authorities"]}
    assert (done["phase"], done["generation"]) == ("idle", 6)
    assert states == {"root": "active", "intermediate": "retired", "intermediate-2": "active"}
    assert "No rotation is under way" in run("ca", "rotate", "root", "--status")[1]
    assert "Next: --activate" in run("ca", "rotate", "root", "--prepare")[1]
    kinds = [event["kind"] for event in json.loads(run("outpost", "events", "--json")[1])]
    assert kinds[0] == "rotation_prepare"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ca", "rotate", "intermediate"), 2, "exactly one"),
        (("ca", "rotate", "intermediate", "--prepare", "--retire"), 2, "exactly one"),
        (("ca", "rotate", "leaf", "--prepare"), 2, "leaf"),
        (("ca", "rotate", "root", "--retire"), 1, "--prepare"),
        (("ca", "root", "remove", "none.pem"), 1, "--passphrase-file"),
        (("ca", "root", "crl", "--name", "intermediate"), 1, "no root called"),
    ],
)
def test_what_is_refused_says_why(run, ready, arguments, code, says):
    got, _, err = run(*arguments)
    assert (got, says in err) == (code, True)


def test_the_root_goes_out_and_comes_back(run, ready, tmp_path):
    made = json.loads(run("ca", "root", "export", "root.pem", "--json")[1])
    (tmp_path / "pass").write_text(made["passphrase"] + "\n")
    opens = ("--passphrase-file", "pass")
    assert run("ca", "root", "remove", "root.pem", *opens)[0] == 0
    assert json.loads(run("ca", "root", "status", "--json")[1])[0]["key"] == "offline"
    code, _, err = run("ca", "rotate", "intermediate", "--prepare")
    assert (code, "--root-key FILE --passphrase-file FILE" in err) == (1, True)
    brought = ("--root-key", "root.pem", *opens)
    assert run("ca", "root", "crl", *brought)[0] == 0
    assert run("ca", "rotate", "root", "--prepare", *brought)[0] == 1  # the new one needs a file to go to
    code, out, _ = run("ca", "rotate", "root", "--prepare", *brought, "--new-root-export", "new.pem", "--json")
    assert (code, len(json.loads(out)["passphrase"])) == (0, 39)
    assert run("ca", "root", "import", "root.pem", *opens)[0] == 0
    states = {one["name"]: one["key"] for one in json.loads(run("ca", "root", "status", "--json")[1])}
    assert states == {"root": "here", "root-2": "offline"}


def test_an_installation_can_begin_with_its_root_offline(run, tmp_path):
    code, out, _ = run("init", "--offline-root", "root.pem", "--json")
    made = json.loads(out)
    assert (code, len(made["root_passphrase"])) == (0, 39)
    assert not (tmp_path / "control-plane-data" / "ca" / "root.key").exists()
    (tmp_path / "pass").write_text(made["root_passphrase"])
    brought = ("--root-key", "root.pem", "--passphrase-file", "pass")
    assert run("ca", "rotate", "intermediate", "--prepare", *brought)[0] == 0
    assert run("ca", "crl")[::2] == (0, "")
    code, _, err = run("init", "--data-dir", "other", "--offline-root", "root.pem")
    assert (code, "nothing was touched" in err) == (1, True)
    assert not (tmp_path / "other").exists()


def test_an_ingress_gets_a_key_and_a_chain_that_openssl_verifies(run, ready, tmp_path):
    code, out, _ = run("ca", "ingress", "--name", "control.example.com", "--out", "server.pem", "--json")
    assert (code, json.loads(out)["names"]) == (0, ["control.example.com"])
    assert (tmp_path / "server.pem").stat().st_mode & 0o777 == 0o600
    assert run("ca", "anchors", "--out", "anchors.pem")[0] == 0
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "control.example.com"]
    files = ["-CAfile", "anchors.pem", "-untrusted", "server.pem", "server.pem"]
    verified = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert verified.stdout == "server.pem: OK\n", verified.stderr
    assert run("ca", "ingress", "--name", "*.example.com", "--out", "server.pem")[0] == 1


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed: apt-get install faketime")
def test_an_intermediate_that_ended_years_ago_can_still_be_rotated(run, ready, tmp_path):
    """The control plane was off for three years: it says what to do, that works, and then it issues again."""

    def later(*arguments):
        command = ["faketime", "-f", "+1100d", sys.executable, "-m", "control_plane.cli", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    code, err = later("outpost", "create", "berlin")
    assert (code, "rotate the intermediate" in err) == (1, True), err
    for step in ("--prepare", "--activate", "--retire"):
        assert later("ca", "rotate", "intermediate", step) == (0, "")
    assert later("outpost", "create", "berlin") == (0, "")
    assert later("ca", "crl") == (0, "")
