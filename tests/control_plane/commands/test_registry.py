import json


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


def test_replays_and_recoveries_are_shown(run, ready):
    outpost_id = json.loads(run("outpost", "create", "berlin", "--json")[1])["outpost_id"]
    (row,) = json.loads(run("outpost", "list", "--json")[1])
    assert {name: row[name] for name in ("replays", "recovery", "cloned", "authority")} == {
        "replays": 0,
        "recovery": None,
        "cloned": None,
        "authority": None,
    }
    assert run("outpost", "approve-recovery", outpost_id)[0] == 0
    assert json.loads(run("outpost", "list", "--json")[1])[0]["recovery"] == "recovery_approved"
    assert run("outpost", "approve-recovery", "nobody")[0] == 1
    (event,) = json.loads(run("outpost", "events", outpost_id, "--json")[1])
    assert event["kind"] == "recovery_approved"
    assert "Nothing has happened" in run("outpost", "events", "other")[1]
