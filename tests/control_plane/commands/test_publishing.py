import json

from control_plane.defaults import default_policy, default_routing
from outpost.dlp.dictionary import build_words
from outpost.protocol.list_file import encode_list_key
from tests.outpost.dlp.org_lists import KEY


def test_any_document_of_a_bundle_is_published_by_name(run, ready, tmp_path):
    (tmp_path / "smoke.json").write_text('{"schema_version":"1","cases":[]}')
    (tmp_path / "policy.json").write_bytes(default_policy())
    code, out, _ = run("policy", "publish", "policy.json", "--document", "smoke.json=smoke.json", "--json")
    assert code == 0
    assert json.loads(out)["documents"] == ["policy.json", "smoke.json"]


def test_what_a_bundle_cannot_hold_is_refused(run, ready, tmp_path):
    (tmp_path / "routing.json").write_bytes(default_routing())
    code, _, err = run("policy", "publish", "--document", "extra.json=routing.json")
    assert (code, "a bundle has no extra.json" in err) == (1, True)
    for wrong in ("routing.json", "routing.json="):
        assert run("policy", "publish", "--routing", "routing.json", "--document", wrong)[0] == 2
    assert run("policy", "publish", "--routing", "routing.json", "--document", "routing.json=routing.json")[0] == 2


def test_a_canary_is_shown_promoted_and_rolled_forward(run, ready, tmp_path):
    (tmp_path / "routing.json").write_bytes(default_routing())
    publish = ("policy", "publish", "--routing", "routing.json")
    outpost_id = json.loads(run("outpost", "create", "berlin", "--json")[1])["outpost_id"]
    assert run("policy", "canary")[0] == 1
    assert run(*publish, "--canary-label", "ring=first")[0] == 1  # nobody has it
    assert run("outpost", "label", outpost_id, "ring=first")[0] == 0
    code, out, _ = run(*publish, "--canary-label", "ring=first", "--json")
    assert (code, json.loads(out)["canary_members"]) == (0, [outpost_id])
    code, out, _ = run("policy", "canary", "--json")
    assert [(row["state"], row["id"], row["shown"], row["applied"]) for row in json.loads(out)] == [
        ("running", outpost_id, None, False)
    ]
    code, _, err = run(*publish)
    assert (code, "policy promote" in err) == (1, True)
    assert run("policy", "promote")[0] == 0
    assert run("policy", "promote")[0] == 1
    assert run(*publish, "--canary-percent", "100")[0] == 0
    code, out, _ = run("policy", "roll-forward")
    assert (code, "with the content from before it" in out) == (0, True)
    assert "rolled_forward" in run("policy", "canary")[1]
    assert run("outpost", "label", outpost_id, "ring", "--remove")[0] == 0


def test_a_canary_is_for_a_percentage_or_a_label(run, ready, tmp_path):
    (tmp_path / "routing.json").write_bytes(default_routing())
    publish = ("policy", "publish", "--routing", "routing.json")
    for wrong in (
        ("--canary-percent", "0"),
        ("--canary-percent", "101"),
        ("--canary-percent", "5", "--canary-label", "a=b"),
    ):
        assert run(*publish, *wrong)[0] == 2
    assert run(*publish, "--canary-label", "nonsense")[0] == 1


def test_lists_are_published_and_a_missing_key_is_told(run, ready, tmp_path):
    listing = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
    (tmp_path / "detectors.json").write_text(json.dumps(listing), "utf-8")
    (tmp_path / "customers.list").write_bytes(build_words(["Quxley"], "customers", KEY))
    (tmp_path / "key.json").write_bytes(encode_list_key(KEY))
    documents = ("--document", "detectors.json=detectors.json")
    publish = ("policy", "publish", *documents, "--document", "customers.list=customers.list")
    assert run("policy", "publish", *documents)[0] == 1
    code, _, err = run(*publish)
    assert (code, f"outposts refuse customers.list without list key {KEY.id}" in err) == (0, True)
    assert run("secret", "add-list-key", "key.json")[0] == 0
    code, out, err = run(*publish, "--json")
    assert (code, err, json.loads(out)["documents"]) == (0, "", ["customers.list", "detectors.json"])
