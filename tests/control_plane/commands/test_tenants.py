import io
import json
import sys
from types import SimpleNamespace

import pytest

from control_plane.defaults import default_policy, default_routing
from outpost.protocol.list_file import ListKey, encode_list_key


def test_keys_are_made_listed_and_revoked(run, ready):
    key = json.loads(run("key", "create", "--group", "staff", "--expires", "2030-01-01T00:00:00+01:00", "--json")[1])
    assert (key["org"], key["snapshot_version"]) == ("acme", 3)
    rows = json.loads(run("key", "list", "--json")[1])
    assert [(row["group"], row["state"]) for row in rows] == [("default", "active"), ("staff", "active")]
    assert key["virtual_key"].startswith(rows[1]["prefix"])
    assert "bundle 4" in run("key", "revoke", key["id"])[1]


def test_a_policy_and_routing_are_published_together(run, ready, tmp_path):
    (tmp_path / "p.json").write_bytes(default_policy())
    (tmp_path / "r.json").write_bytes(default_routing("https://llm.example/v1"))
    _, out, _ = run("policy", "publish", "p.json", "--routing", "r.json", "--json")
    assert json.loads(out) == {"org": "acme", "snapshot_version": 3, "documents": ["policy.json", "routing.json"]}
    assert "bundle 4" in run("policy", "publish", "--routing", "r.json")[1]


@pytest.mark.parametrize("content", [b"sk-planted\n", b"sk-planted"])
def test_a_secret_comes_from_stdin_or_a_file_and_is_never_shown(run, ready, tmp_path, monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))
    (tmp_path / "key.txt").write_bytes(content)
    for arguments in ((), ("--file", "key.txt")):
        code, out, err = run("secret", "set", "provider/openai", *arguments)
        assert (code, err) == (0, "")
        assert "planted" not in out


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"two words"])
def test_what_is_no_secret_is_refused(run, ready, tmp_path, content):
    (tmp_path / "key.txt").write_bytes(content)
    assert run("secret", "set", "provider/openai", "--file", "key.txt")[0] == 1


def test_orgs_and_people(run, ready):
    assert run("org", "create", "globex", "--provider-url", "https://llm.example/v1")[0] == 0
    assert [row["id"] for row in json.loads(run("org", "list", "--json")[1])] == ["acme", "globex"]
    user = json.loads(run("user", "create", "ops@example.com", "--org", "globex", "--json")[1])
    assert (user["org"], user["role"], len(user["password"])) == ("globex", "admin", 36)


def test_peppers_are_rotated_and_retired_and_everything_is_wrapped_anew(run, ready):
    (old,) = json.loads(run("secret", "peppers", "--json")[1])
    assert (old["active_keys"], old["for_new_keys"]) == (1, True)
    code, out, _ = run("secret", "rotate-pepper", "--json")
    assert code == 0
    new_id = json.loads(out)["pepper_id"]
    assert run("secret", "retire-pepper", old["id"])[0] == 1
    code, out, _ = run("secret", "retire-pepper", old["id"], "--revoke-keys", "--json")
    assert (code, json.loads(out)["revoked_keys"]) == (0, 1)
    assert [row["id"] for row in json.loads(run("secret", "peppers", "--json")[1])] == [new_id]
    code, out, _ = run("secret", "rewrap")
    assert (code, "under a new key" in out) == (0, True)


def test_a_list_key_is_added_shown_and_retired(run, ready, tmp_path):
    (tmp_path / "key.json").write_bytes(encode_list_key(ListKey("list-1", bytes(32))))
    code, out, _ = run("secret", "add-list-key", "key.json", "--json")
    assert (code, json.loads(out)) == (0, {"org": "acme", "list_key_id": "list-1", "added": True})
    assert "already" in run("secret", "add-list-key", "key.json")[1]
    assert json.loads(run("secret", "list-keys", "--json")[1]) == [{"id": "list-1", "lists": ""}]
    assert run("secret", "retire-list-key", "list-1")[0] == 0
    assert run("secret", "retire-list-key", "list-1")[0] == 1
    (tmp_path / "key.json").write_bytes(b"{}")
    code, _, err = run("secret", "add-list-key", "key.json")
    assert (code, "not a list key file" in err) == (1, True)
