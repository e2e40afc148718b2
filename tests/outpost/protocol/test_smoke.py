import json

import pytest

from outpost.protocol.decisions import Action
from outpost.protocol.documents import DocumentError, parse_document
from outpost.protocol.smoke import SmokeDocument

CASE = {"id": "c", "text": "hello", "direction": "input", "expect": {"action": "ALLOW"}}


def parse(*changes) -> SmokeDocument:
    content = json.dumps({"schema_version": "1", "cases": [CASE | change for change in changes]}).encode()
    return parse_document(SmokeDocument, "smoke.json", content)


def test_a_case():
    case = parse({}).cases[0]
    assert (case.expect.action, case.expect.kinds, case.group) == (Action.ALLOW, None, None)


REFUSED = {
    "an unknown action": {"expect": {"action": "PASS"}},
    "no expectation": {"expect": None},
    "an expectation of something else": {"expect": {"action": "ALLOW", "rule": "x"}},
    "an unknown direction": {"direction": "both"},
    "too much text": {"text": "x" * 4_001},
    "an empty fact": {"model": ""},
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused_cases(why):
    with pytest.raises(DocumentError):
        parse(REFUSED[why])


def test_there_are_not_too_many():
    with pytest.raises(DocumentError, match="cases"):
        parse(*({"id": f"c{n}"} for n in range(201)))
    with pytest.raises(DocumentError, match="duplicate case id"):
        parse({}, {})
