import json

from cryptography import x509

from pki.revocation import verify_crl


def test_an_outposts_life_at_the_command_line(run, ready, tmp_path):
    code, out, _ = run("outpost", "create", "berlin", "--json")
    outpost = json.loads(out)
    assert (code, outpost["control_plane_url"], outpost["lifetime_s"]) == (0, "https://localhost:8100", 900)
    assert outpost["token"].startswith(f"oet1.{outpost['outpost_id']}.")
    again = json.loads(run("outpost", "token", outpost["outpost_id"], "--json")[1])
    assert (again["outpost_id"], again["token"] == outpost["token"]) == (outpost["outpost_id"], False)
    assert [row["state"] for row in json.loads(run("outpost", "list", "--json")[1])] == ["waiting"]
    assert run("outpost", "revoke", outpost["outpost_id"])[0] == 0
    assert [row["state"] for row in json.loads(run("outpost", "list", "--json")[1])] == ["revoked"]
    assert run("outpost", "revoke", outpost["outpost_id"])[0] == 1
    assert run("outpost", "token", outpost["outpost_id"])[0] == 1


def test_a_new_outpost_is_told_how_to_register(run, ready):
    _, out, _ = run("outpost", "create", "paris")
    assert "outpost register" in out
    assert "docker run -e OUTPOST_ENROLMENT_TOKEN=<token>" in out


def test_the_crl_is_pem_and_verifies(run, ready, tmp_path):
    _, out, _ = run("ca", "crl")
    crl = x509.load_pem_x509_crl(out.encode())
    issuer = x509.load_pem_x509_certificate((tmp_path / "control-plane-data/ca/intermediate.pem").read_bytes())
    verify_crl(crl, issuer=issuer, at=crl.last_update_utc)
    assert run("ca", "crl", "--out", tmp_path / "x.crl") == (0, "", "")
    assert (tmp_path / "x.crl").read_text() == out
