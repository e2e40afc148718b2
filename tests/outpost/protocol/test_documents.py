import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.documents import (
    MAX_OFFLINE_DEFAULT_S,
    Document,
    DocumentError,
    KeysDocument,
    PolicyDocument,
    encode_document,
    parse_document,
)
from outpost.protocol.routing import RoutingDocument
from tests.outpost.protocol.golden import check_golden
from tests.outpost.protocol.samples import DOCUMENTS

RULE = {"id": "r", "sequence": 0, "when": {}, "action": "ALLOW"}
PACK = {"id": "p", "sequence": 0, "default": "BLOCK", "rules": []}
KEY = {"id": "k", "prefix": "sk-op-a-01234567", "pepper_id": "p", "digest": "ab" * 32, "group": "g"}
PROVIDER = {"id": "o", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["*"]}


def policy(*packs, **fields) -> bytes:
    return json.dumps({"schema_version": "1", "packs": list(packs or [PACK])} | fields).encode()


def rules(*changes) -> bytes:
    return policy(
        PACK | {"rules": [RULE | {"id": f"r{n}", "sequence": n} | change for n, change in enumerate(changes)]}
    )


def when(**conditions) -> bytes:
    return rules({"when": conditions})


def keys(*changes) -> bytes:
    return json.dumps({"schema_version": "1", "keys": [KEY | change for change in changes]}).encode()


def routing(*changes) -> bytes:
    return json.dumps({"schema_version": "1", "providers": [PROVIDER | change for change in changes]}).encode()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_exact_bytes_are_pinned(name):
    check_golden(name, encode_document(DOCUMENTS[name]))


LEAST = {
    "policy": {"packs": [PACK | {"rules": [RULE]}]},
    "keys": {"keys": [KEY]},
    "routing": {"providers": [PROVIDER]},
    "detectors": {"custom": [{"id": "c", "kind": "custom.c", "keywords": ["word"]}]},
    "budgets": {"budgets": [{"id": "b", "subject": {"key": "k"}, "monthly_tokens": 1, "at_limit": "WARN"}]},
    "models": {},
    "smoke": {"cases": [{"id": "c", "text": "", "direction": "input", "expect": {"action": "ALLOW"}}]},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_left_out_means_what_it_always_meant(name):
    content = json.dumps({"schema_version": "1"} | LEAST[name]).encode()
    check_golden(f"{name}_least", encode_document(parse_document(type(DOCUMENTS[name]), name, content)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_reads_back_as_itself(name):
    sample = DOCUMENTS[name]
    assert parse_document(type(sample), name, sample.model_dump_json(exclude_none=True).encode()) == sample
    assert parse_document(type(sample), name, sample.model_dump_json().encode()) == sample


def test_the_least_a_policy_can_say():
    document = parse_document(PolicyDocument, "policy.json", policy())
    assert document.max_offline_s == MAX_OFFLINE_DEFAULT_S


def _objects(value, path=()):
    """Where every object stands in a JSON value."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from _objects(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _objects(inner, (*path, index))


OBJECTS = [
    (name, path)
    for name, sample in DOCUMENTS.items()
    for path in _objects(json.loads(sample.model_dump_json(exclude_none=True)))
]


@pytest.mark.parametrize(("name", "path"), OBJECTS)
def test_an_unknown_field_anywhere_refuses_the_document(name, path):
    sample = DOCUMENTS[name]
    value = json.loads(sample.model_dump_json(exclude_none=True))
    place = value
    for step in path:
        place = place[step]
    place["condition_of_the_future"] = ["x"]
    with pytest.raises(DocumentError) as caught:
        parse_document(type(sample), name, json.dumps(value).encode())
    where = ".".join(str(part) for part in (*path, "condition_of_the_future"))
    assert caught.value.problems == [(where, "Extra inputs are not permitted")]


# Versions


def newer(place, version="1.1") -> bytes:
    """The sample policy of a newer minor version with something new at ``place``."""
    value = json.loads(encode_document(DOCUMENTS["policy"])) | {"schema_version": version}
    place(value)
    return json.dumps(value).encode()


def add_messages(value) -> None:
    value["packs"][0]["messages"]["auditor"] = "for later"
    value["packs"][0]["rules"][1]["messages"] = {"portal": {"de": "später"}}


ADDITIONS = {
    "a condition": lambda value: value["packs"][0]["rules"][0]["when"].update(hours=["9-17"]),
    "a field of a rule": lambda value: value["packs"][0]["rules"][0].update(until="2027-01-01"),
    "a field of a pack": lambda value: value["packs"][0].update(mode="dry"),
    "a field of the document": lambda value: value.update(chains=[]),
    "a rule kind": lambda value: value["packs"][0]["rules"].append({"id": "x", "sequence": 9, "script": "..."}),
    "an action": lambda value: value["packs"][0]["rules"][0].update(action="CANCEL"),
    "a combining algorithm": lambda value: value["packs"][0].update(combining="permit_overrides"),
    "messages that are no object": lambda value: value["packs"][0].update(messages="text"),
    "a known message that is no text": lambda value: value["packs"][0]["messages"].update(user={"de": "nein"}),
}


@pytest.mark.parametrize("version", ["1.1", "1.7", "1.9999"])
def test_a_newer_minor_version_may_bring_texts_for_people(version):
    document = parse_document(PolicyDocument, "policy.json", newer(add_messages, version))
    assert document.packs[0].messages.officer == "agreed with the works council"
    assert json.loads(encode_document(document)) == json.loads(newer(add_messages, version)), "nothing was lost"


@pytest.mark.parametrize("version", ["1", "1.0"])
def test_a_version_that_is_known_may_not(version):
    with pytest.raises(DocumentError) as caught:
        parse_document(PolicyDocument, "policy.json", newer(add_messages, version))
    assert [path for path, _ in caught.value.problems] == [
        "packs.0.messages.auditor",
        "packs.0.rules.1.messages.portal",
    ]


@pytest.mark.parametrize("what", ADDITIONS)
def test_whatever_else_a_newer_minor_version_adds_refuses_the_document(what):
    with pytest.raises(DocumentError):
        parse_document(PolicyDocument, "policy.json", newer(ADDITIONS[what]))


@pytest.mark.parametrize("version", ["2", "0", "1.", "1.01", "1.-1", "1.10000", "01", "1\n", "", "1.1.1"])
def test_what_is_no_version_of_this_language_is_refused(version):
    with pytest.raises(DocumentError):
        parse_document(PolicyDocument, "policy.json", policy(schema_version=version))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_has_a_minor_version(name):
    value = json.loads(encode_document(DOCUMENTS[name])) | {"schema_version": "1.3"}
    assert parse_document(type(DOCUMENTS[name]), name, json.dumps(value).encode()).schema_version == "1.3"


# Names that stand twice


class Twice(dict):
    """Written as JSON with its first name a second time, and the same value."""

    def items(self):
        pairs = list(super().items())
        return [*pairs, pairs[0]]


def _with_a_name_twice(value, path):
    if not path:
        return Twice(value)
    copy = value.copy()
    copy[path[0]] = _with_a_name_twice(value[path[0]], path[1:])
    return copy


@pytest.mark.parametrize(("name", "path"), OBJECTS)
def test_a_name_that_stands_twice_refuses_the_document(name, path):
    sample = DOCUMENTS[name]
    value = json.loads(sample.model_dump_json(exclude_none=True))
    content = json.dumps(_with_a_name_twice(value, path), indent=1).encode()
    assert json.loads(content) == value, "other readers do not notice"
    with pytest.raises(DocumentError, match="duplicate name"):
        parse_document(type(sample), name, content)


def test_two_readers_cannot_see_two_policies():
    blocking = (
        b'{"schema_version":"1","packs":[{"id":"p","sequence":0,"default":"BLOCK","default":"ALLOW","rules":[]}]}'
    )
    with pytest.raises(DocumentError, match="duplicate name 'default'"):
        parse_document(PolicyDocument, "policy.json", blocking)
    escaped = blocking.replace(b'"default":"ALLOW"', b'"\\u0064efault":"ALLOW"')
    with pytest.raises(DocumentError, match="duplicate name 'default'"):
        parse_document(PolicyDocument, "policy.json", escaped)


REFUSED_POLICIES = {
    "not JSON": b"{",
    "empty": b"",
    "not an object": b"[]",
    "two values": policy() + policy(),
    "a comment": b"// hello\n" + policy(),
    "byte order mark": b"\xef\xbb\xbf" + policy(),
    "not UTF-8": policy().replace(b'"p"', b'"\xff"'),
    "UTF-16": policy().decode().encode("utf-16"),
    "no version": b'{"packs": []}',
    "another version": policy(schema_version="2"),
    "version as a number": policy(schema_version=1),
    "no pack": policy(packs=[]),
    "201 packs": policy(*({**PACK, "id": f"p{n}", "sequence": n} for n in range(201))),
    "no default": policy({name: value for name, value in PACK.items() if name != "default"}),
    "default REDACT": policy(PACK | {"default": "REDACT"}),
    "unknown combining": policy(PACK | {"combining": "permit_overrides"}),
    "pack ids twice": policy(PACK, PACK | {"sequence": 1}),
    "pack sequences twice": policy(PACK, PACK | {"id": "q"}),
    "negative sequence": policy(PACK | {"sequence": -1}),
    "sequence as text": policy(PACK | {"sequence": "0"}),
    "sequence as true": policy(PACK | {"sequence": True}),
    "pack id with a slash": policy(PACK | {"id": "p/r"}),
    "max_offline too short": policy(max_offline_s=59),
    "max_offline too long": policy(max_offline_s=90 * 86_400 + 1),
    "max_offline as a fraction": policy(max_offline_s=100.5),
    "unknown action": rules({"action": "QUARANTINE"}),
    "action in lower case": rules({"action": "block"}),
    "rule without conditions at all": rules({"when": None}),
    "rule ids twice": rules({"id": "same"}, {"id": "same"}),
    "rule sequences twice": rules({"sequence": 7}, {"sequence": 7}),
    "reason too long": rules({"reason": "x" * 301}),
    "REDACT that names nothing": rules({"action": "REDACT"}),
    "redaction of what is blocked": rules({"action": "BLOCK", "redaction": "mask"}),
    "unknown redaction": rules({"action": "REDACT", "when": {"findings": ["*"]}, "redaction": "blur"}),
    "5001 rules": rules(*({} for _ in range(5001))),
    "no finding": when(findings=[]),
    "no direction": when(directions=[]),
    "no model": when(models=[]),
    "no group": when(groups=[]),
    "no surface": when(surfaces=[]),
    "unknown direction": when(directions=["sideways"]),
    "kind without a domain": when(findings=["email"]),
    "kind in upper case": when(findings=["PII.email"]),
    "kind with a star inside": when(findings=["pii.*.email"]),
    "kind with a trailing line end": when(findings=["pii.email\n"]),
    "kind too long": when(findings=["a." + "b" * 80]),
    "score above 1": when(min_score=1.01),
    "score below 0": when(min_score=-0.01),
    "score NaN": when(min_score=float("nan")),
    "score infinite": when(min_score=float("inf")),
    "score as text": when(min_score="0.5"),
}


@pytest.mark.parametrize("why", REFUSED_POLICIES)
def test_refused_policies(why):
    with pytest.raises(DocumentError) as caught:
        parse_document(PolicyDocument, "policy.json", REFUSED_POLICIES[why])
    assert str(caught.value).startswith("policy.json: ")
    assert caught.value.problems


REFUSED_KEYS = {
    "prefix too short": keys({"prefix": "sk-op-a-0123456"}),
    "prefix with other characters": keys({"prefix": "sk-op-a-0123456_"}),
    "environment in upper case": keys({"prefix": "sk-op-A-01234567"}),
    "digest too short": keys({"digest": "ab" * 31}),
    "digest in upper case": keys({"digest": "AB" * 32}),
    "network with host bits": keys({"allowed_networks": ["10.0.0.1/8"]}),
    "not a network": keys({"allowed_networks": ["everywhere"]}),
    "no network": keys({"allowed_networks": []}),
    "no model": keys({"allowed_models": []}),
    "expiry without a zone": keys({"expires_at": "2026-06-01T12:00:00"}),
    "expiry before the calendar": keys({"expires_at": "0001-01-01T00:00:00+14:00"}),
    "expiry as a number": keys({"expires_at": 1_780_000_000.5}),
    "ids twice": keys({}, {}),
}


@pytest.mark.parametrize("why", REFUSED_KEYS)
def test_refused_keys(why):
    with pytest.raises(DocumentError) as caught:
        parse_document(KeysDocument, "keys.json", REFUSED_KEYS[why])
    assert "abab" not in str(caught.value)


BAD_URLS = [
    "ftp://llm.example/v1",
    "llm.example/v1",
    "https:///v1",
    "https://llm.example/v1?x=1",
    "https://llm.example/v1#x",
    "https://user:hunter2@llm.example/v1",
    "https://:hunter2@llm.example/v1",
    "https://@llm.example/v1",
    "https://llm.example:0/v1",
    "https://llm.example:99999/v1",
    "https://llm.example:hunter2/v1",
    "https://[::1/v1",
    "https://llm.example/v1\n",
    "https://llm.example/v1\r\nX-Other: hunter2",
    "https://llm.example/\tv1",
    " https://llm.example/v1",
    "https://llm.exämple/v1",
    "https://llm.example\N{FULLWIDTH QUESTION MARK}hunter2/v1",
    "",
    "https://llm.example/" + "x" * 512,
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_refused_provider_urls_are_not_quoted(url):
    with pytest.raises(DocumentError) as caught:
        parse_document(RoutingDocument, "routing.json", routing({"base_url": url}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://llm.example/v1/", "https://llm.example/v1"),
        ("http://10.0.0.7:11434/v1", "http://10.0.0.7:11434/v1"),
        ("https://[2001:db8::1]:8443/v1", "https://[2001:db8::1]:8443/v1"),
    ],
)
def test_provider_urls(url, kept):
    assert parse_document(RoutingDocument, "r", routing({"base_url": url})).providers[0].base_url == kept


@pytest.mark.parametrize(
    "content",
    [
        routing(),
        routing({"surface": "other"}),
        routing({"models": []}),
        routing({}, {"models": ["m"]}),
        routing({}, {"id": "other"}),
        routing({"models": ["m", "m"]}),
    ],
    ids=["none", "unknown surface", "no model", "ids twice", "a model at two providers", "a model twice"],
)
def test_refused_routing(content):
    with pytest.raises(DocumentError):
        parse_document(RoutingDocument, "routing.json", content)


def test_all_problems_are_listed_at_once():
    with pytest.raises(DocumentError) as caught:
        parse_document(PolicyDocument, "policy.json", rules({"action": "X"}, {"sequence": -1}, {"odd": 1}))
    assert [path for path, _ in caught.value.problems] == [
        "packs.0.rules.0.action",
        "packs.0.rules.1.sequence",
        "packs.0.rules.2.odd",
    ]


def test_deep_nesting_is_refused():
    deep = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(DocumentError):
        parse_document(PolicyDocument, "policy.json", deep)
    with pytest.raises(DocumentError):
        parse_document(PolicyDocument, "policy.json", b'{"packs":' + deep + b"," + policy()[1:])


def test_huge_numbers_are_refused_or_kept_whole():
    with pytest.raises(DocumentError):
        parse_document(PolicyDocument, "policy.json", policy().replace(b'"sequence": 0', b'"sequence": ' + b"9" * 5000))


MODELS: list[type[Document]] = [PolicyDocument, KeysDocument, RoutingDocument]


@pytest.mark.parametrize("model", MODELS)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_document_error(model, data):
    try:
        document = parse_document(model, "x.json", data)
    except DocumentError:
        return
    assert isinstance(document, model)


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_any_change_of_one_byte_is_refused_or_still_a_document(name, data):
    sample = DOCUMENTS[name]
    content = bytearray(sample.model_dump_json(exclude_none=True).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        document = parse_document(type(sample), name, bytes(content))
    except DocumentError:
        return
    assert parse_document(type(sample), name, document.model_dump_json(exclude_none=True).encode()) == document
