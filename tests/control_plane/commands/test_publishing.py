import json

from control_plane.defaults import default_policy, default_routing
from outpost.dlp.dictionary import build_words
from outpost.protocol.bundle_file import read_bundle_file
from outpost.protocol.list_file import encode_list_key
from outpost.protocol.models import file_of_pack
from tests.fakes.model_pack import write_card, write_pack
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


def test_a_model_pack_is_published_whole_named_and_taken_away(run, ready, tmp_path):
    write_pack(tmp_path / "tiny")
    code, out, _ = run("policy", "publish", "--models-pack", "tiny", "--json")
    assert (code, json.loads(out)["documents"]) == (0, ["models.json"])
    assert _targets(run, tmp_path, "with") == {"card.json.pack", "model.onnx.pack", "tokenizer.json.pack"}
    assert run("key", "create", "--name", "anna")[0] == 0  # signs without touching the pack
    code, out, _ = run("policy", "publish", "--models-pack", "none")
    assert (code, "Published models.json" in out) == (0, True)
    assert _targets(run, tmp_path, "without") == set()


def test_what_is_no_whole_pack_is_not_published(run, ready, tmp_path):
    folder = write_pack(tmp_path / "tiny")
    (folder / "model.onnx").write_bytes(b"another")
    code, _, err = run("policy", "publish", "--models-pack", "tiny")
    assert (code, "not what the card says" in err) == (1, True)
    (folder / f"{'x' * 40}.txt").write_text("x")
    write_card(folder)
    code, _, err = run("policy", "publish", "--models-pack", "tiny")
    assert (code, "cannot carry a file of this name" in err) == (1, True)
    assert run("policy", "publish", "--models-pack", "nowhere")[0] == 1


def _targets(run, tmp_path, name):
    """Files of a pack in what a site without a network would be given."""
    assert run("bundle", "export", f"{name}.outpost-bundle")[0] == 0
    files = read_bundle_file((tmp_path / f"{name}.outpost-bundle").read_bytes())
    names = (file.partition(".")[2] for file in files if file.startswith("targets/"))
    return {target for target in names if file_of_pack(target) is not None}
