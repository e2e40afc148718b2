import json

from control_plane.defaults import default_policy, default_routing


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
