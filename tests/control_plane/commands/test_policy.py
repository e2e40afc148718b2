import json

import pytest


def status(run):
    code, out, _ = run("policy", "status", "--json")
    assert code == 0
    return {row["role"]: row for row in json.loads(out)}


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "virtual-keys"])
def test_each_role_gets_a_new_key(run, ready, role):
    before = status(run)
    code, out, _ = run("policy", "rotate-key", "--role", role)
    assert (code, "the old one is destroyed" in out) == (0, True)
    after = status(run)
    assert after[role]["keys"] != before[role]["keys"]
    assert [name for name in before if after[name]["keys"] != before[name]["keys"]] == [role]
    assert after["root"]["version"] == (1 if role == "virtual-keys" else 2)
    assert {row["signed_by"] for row in after.values()} == {"this control plane"}


def test_a_role_that_does_not_exist_is_refused(run, ready):
    code, _, err = run("policy", "rotate-key", "--role", "mirrors")
    assert (code, "roles are root, targets" in err) == (1, True)
