import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import FileDeleted, FileObject

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.proxy.decide import judge
from outpost.proxy.seen import SeenTexts
from outpost.proxy.surfaces.openai_file_objects import Page, listed, own_files, parse_list, parse_object, read_page
from tests.outpost.proxy.setup import policy
from tests.outpost.proxy.surfaces.planting import SECRETS, answers, spelled

PURPOSES = ("user_data", "batch")
FILES = [{"id": f"file-{n}", "object": "file", "created_at": n, "purpose": PURPOSES[n % 2]} for n in range(6)]
SCANNER = SeenTexts(default_engine())
POLICIES = {action: compile_policy(policy(action)) for action in ("BLOCK", "REDACT")}


def ids(page):
    value = json.loads(listed(FILES, page))
    assert value["first_id"] == (value["data"][0]["id"] if value["data"] else None)
    return [one["id"] for one in value["data"]], value["has_more"]


def test_pages_of_a_list():
    assert ids(Page()) == ([f"file-{n}" for n in (5, 4, 3, 2, 1, 0)], False)
    assert ids(Page(descending=False, limit=2)) == (["file-0", "file-1"], True)
    assert ids(Page(descending=False, limit=2, after="file-3")) == (["file-4", "file-5"], False)
    assert ids(Page(purpose="batch", limit=1)) == (["file-5"], True)
    assert ids(Page(after="file-0")) == ([], False)


def test_a_query_is_a_page():
    query = [("purpose", "batch"), ("limit", "7"), ("order", "asc"), ("after", "file-1")]
    assert read_page(query) == Page("batch", 7, False, "file-1")
    assert read_page([]) == Page()


@given(st.lists(st.tuples(st.sampled_from(["purpose", "limit", "order", "after", "x"]), st.text(max_size=12))))
def test_any_query_is_a_page_or_refused(query):
    code = None
    try:
        page = read_page(query)
    except Rejected as err:
        code = err.code
    else:
        assert 0 < page.limit <= 10_000
    assert code in {None, ErrorCode.INVALID_REQUEST}


def test_of_a_list_only_ones_own_files_stay():
    raw = json.dumps({"data": [*FILES, {"id": 1}, "x"]}).encode()
    assert own_files(raw, {"file-2", "file-9"}) == [FILES[2]]


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(max_size=5), st.lists).map(json.dumps).map(str.encode))
def test_any_bytes_are_a_list_or_refused(raw):
    for read in (parse_list, parse_object, lambda data: own_files(data, {"a"})):
        code = None
        try:
            read(raw)
        except Rejected as err:
            code = err.code
        assert code in {None, ErrorCode.INVALID_REQUEST}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_leaf_of_a_file_object_lets_a_secret_pass(secret):
    facts = Facts("openai.files", "", "g", Direction.OUTPUT)
    for kind, wrap, parse in (
        (FileObject, lambda value: {"object": "file"} | value, parse_object),
        (FileDeleted, lambda value: {"object": "file"} | value, parse_object),
        (FileObject, lambda value: {"object": "list", "data": [{"object": "file"} | value]}, parse_list),
    ):
        for leaf, value in answers(kind, secret):
            try:
                parsed = parse(json.dumps(wrap(value)).encode())
            except Rejected:
                continue
            assert judge(SCANNER, POLICIES["BLOCK"], facts, parsed, parse).body is None, leaf
            redacted = judge(SCANNER, POLICIES["REDACT"], facts, parsed, parse).body
            for spelling in spelled(secret):
                assert redacted is None or spelling.encode() not in redacted, leaf
