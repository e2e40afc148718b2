import json

import pytest

from control_plane.commands.shared import org_or_only, print_done, print_once, print_table
from control_plane.errors import InvalidRequest


def test_the_org_may_be_left_out_while_there_is_only_one(operations):
    assert org_or_only(operations, None) == "acme"
    assert org_or_only(operations, "globex") == "globex"
    operations.create_org("globex", "https://llm.example/v1")
    with pytest.raises(InvalidRequest, match="--org"):
        org_or_only(operations, None)


def test_a_long_secret_stays_one_line_and_markup_in_it_is_text(capsys):
    secret = "[bold]" + "x" * 300
    print_once({"s": secret}, "Title", [("secret", secret)], as_json=False)
    assert secret in capsys.readouterr().out
    print_once({"s": secret}, "Title", [("secret", secret)], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"s": secret}


def test_tables_keep_ids_whole_and_are_lists_for_programs(capsys):
    rows = [{"id": "x" * 63, "name": "y" * 400, "seen": None}]
    print_table(rows, "none", as_json=False)
    assert "x" * 63 in capsys.readouterr().out
    print_table(rows, "none", as_json=True)
    assert json.loads(capsys.readouterr().out) == rows
    print_table([], "There are none.", as_json=False)
    assert capsys.readouterr().out == "There are none.\n"
    print_done({"a": 1}, "Done.", as_json=False)
    assert capsys.readouterr().out == "Done.\n"
