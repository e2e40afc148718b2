import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detector import REPORT_SCORE
from outpost.protocol.detectors import MIN_REPORTED_SCORE, DetectorsDocument
from outpost.protocol.documents import DocumentError, parse_document

CUSTOM = {"id": "c", "kind": "custom.c", "keywords": ["word"]}
ALLOW = {"id": "a", "kinds": ["pii.email"], "values": ["a@b.example"]}


def parse(**fields) -> DetectorsDocument:
    content = json.dumps({"schema_version": "1"} | fields).encode()
    return parse_document(DetectorsDocument, "detectors.json", content)


def without(value: dict, *names: str) -> dict:
    return {name: given for name, given in value.items() if name not in names}


def test_the_least_it_can_say():
    document = parse()
    assert (document.settings, document.allow, document.custom) == ([], [], [])


def test_the_score_below_which_nothing_is_reported_is_the_engines():
    assert MIN_REPORTED_SCORE == REPORT_SCORE


REFUSED = {
    "a setting of nothing": {"settings": [{"enabled": False}]},
    "a setting of both": {"settings": [{"kind": "pii.email", "detector": "email", "enabled": False}]},
    "a setting that changes nothing": {"settings": [{"kind": "pii.email"}]},
    "a score below what is reported": {"settings": [{"kind": "pii.email", "min_score": 0.49}]},
    "a score above 1": {"settings": [{"kind": "pii.email", "min_score": 1.01}]},
    "too many settings": {"settings": [{"kind": "pii.email", "enabled": False}] * 501},
    "an allowance of nothing": {"allow": [without(ALLOW, "values")]},
    "an allowance without kinds": {"allow": [ALLOW | {"kinds": []}]},
    "an allowance of two sorts": {"allow": [ALLOW | {"email_domains": ["b.example"]}]},
    "an empty list of values": {"allow": [ALLOW | {"values": []}]},
    "an empty value": {"allow": [ALLOW | {"values": [""]}]},
    "a domain in upper case": {"allow": [without(ALLOW, "values") | {"email_domains": ["B.example"]}]},
    "a domain without a dot": {"allow": [without(ALLOW, "values") | {"email_domains": ["example"]}]},
    "every domain": {"allow": [without(ALLOW, "values") | {"email_domains": ["*"]}]},
    "every domain of a country": {"allow": [without(ALLOW, "values") | {"email_domains": ["*.*"]}]},
    "a digest that is none": {
        "allow": [without(ALLOW, "values") | {"digests": {"pepper_id": "p", "hmac_sha256": ["0F" * 32]}}]
    },
    "allowances of one id": {"allow": [ALLOW, ALLOW]},
    "a custom rule that finds nothing": {"custom": [without(CUSTOM, "keywords")]},
    "a custom rule of two sorts": {"custom": [CUSTOM | {"pattern": "x"}]},
    "a custom rule of a kind that is not its own": {"custom": [CUSTOM | {"kind": "pii.email"}]},
    "a custom kind without a name": {"custom": [CUSTOM | {"kind": "custom"}]},
    "a custom kind that no label holds": {"custom": [CUSTOM | {"kind": "custom." + "a" * 42}]},
    "a keyword of one letter": {"custom": [CUSTOM | {"keywords": ["x"]}]},
    "a keyword that is too long": {"custom": [CUSTOM | {"keywords": ["x" * 65]}]},
    "a pattern that is too long": {"custom": [without(CUSTOM, "keywords") | {"pattern": "x" * 501}]},
    "a score that is never reported": {"custom": [CUSTOM | {"score": 0.4}]},
    "a score with context and no context": {"custom": [CUSTOM | {"context_score": 0.9}]},
    "context without a score": {"custom": [CUSTOM | {"context_words": ["near"]}]},
    "an unknown checksum": {"custom": [CUSTOM | {"checksum": "crc32"}]},
    "custom rules of one id": {"custom": [CUSTOM, CUSTOM]},
    "too many custom rules": {"custom": [CUSTOM | {"id": f"c{n}"} for n in range(101)]},
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused_documents(why):
    with pytest.raises(DocumentError):
        parse(**REFUSED[why])


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_the_typed_error(content):
    try:
        document = parse_document(DetectorsDocument, "detectors.json", content)
    except DocumentError:
        return
    assert isinstance(document, DetectorsDocument)
