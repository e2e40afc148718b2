import json
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pki.conformance import FAILURE, SKIPPED, SUCCESS, NotLimbo, main, public_suffixes, read_cases, run_case
from tests.fakes.clock import NOON
from tests.fakes.pki import TestAuthority
from tests.fakes.pki import test_authority as authority

CA, STRANGER = authority(), TestAuthority.build()
SERVER = CA.server("cp.example.org")


def _pem(thing):
    return thing.public_bytes(Encoding.PEM).decode()


def _case(**changes):
    return {
        "id": "ours::server",
        "validation_kind": "SERVER",
        "trusted_certs": [_pem(CA.root.certificate)],
        "untrusted_intermediates": [_pem(CA.intermediate.certificate)],
        "peer_certificate": _pem(SERVER.certificate),
        "crls": [],
        "validation_time": NOON.isoformat(),
        "expected_result": SUCCESS,
        "expected_peer_name": {"kind": "DNS", "value": "cp.example.org"},
        "expected_peer_names": [],
        "extended_key_usage": [],
        "key_usage": [],
        "max_chain_depth": None,
    } | changes


CASES = {
    "as it is": ({}, SUCCESS),
    "another name": ({"expected_peer_name": {"kind": "DNS", "value": "b.example.org"}}, FAILURE),
    "a second name": ({"expected_peer_names": [{"kind": "IP", "value": "10.0.0.1"}]}, FAILURE),
    "a client": ({"validation_kind": "CLIENT"}, FAILURE),
    "another usage": ({"extended_key_usage": ["clientAuth"]}, FAILURE),
    "a signer": ({"key_usage": ["digitalSignature"]}, SUCCESS),
    "too deep": ({"max_chain_depth": 0}, FAILURE),
    "later": ({"validation_time": (NOON + timedelta(days=365)).isoformat()}, FAILURE),
    "revoked": ({"crls": [_pem(CA.crl(SERVER.certificate))]}, FAILURE),
    "a stranger's anchor": ({"trusted_certs": [_pem(STRANGER.root.certificate)]}, FAILURE),
    "no anchor": ({"trusted_certs": []}, FAILURE),
    "rubbish for a certificate": ({"peer_certificate": "rubbish"}, FAILURE),
    "rubbish for a list": ({"crls": ["rubbish"]}, FAILURE),
    "a name that is none": ({"expected_peer_name": {"kind": "DNS", "value": "a b"}}, FAILURE),
    "no time: now": ({"validation_time": None}, SUCCESS),
    "optional fields left out": ({"crls": None, "key_usage": None, "expected_peer_names": None}, SUCCESS),
}


@pytest.mark.parametrize(("changes", "actual"), CASES.values(), ids=CASES.keys())
def test_each_field_of_a_case_counts(changes, actual):
    verdict = run_case(_case(**changes), NOON, None)
    assert (verdict.actual, bool(verdict.context)) == (actual, actual == FAILURE)


@pytest.mark.parametrize(
    "changes",
    [
        {"validation_time": "soon"},
        {"extended_key_usage": ["flying"]},
        {"expected_peer_name": {"kind": "DNS"}},
        {"crls": [1]},
        {"validation_kind": "PEER"},
        {"peer_certificate": None},
    ],
)
def test_a_case_that_asks_for_something_unknown_is_skipped(changes):
    verdict = run_case(_case(**changes), NOON, None)
    assert (verdict.actual, verdict.is_unsafe) == (SKIPPED, False)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_any_bytes_are_cases_or_refused(content):
    try:
        assert isinstance(read_cases(content), list)
    except NotLimbo:
        return


def _file(tmp_path, *cases):
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"version": 1, "testcases": list(cases)}))
    return path


def test_the_command_prints_one_line_per_case(tmp_path):
    path = _file(
        tmp_path, _case(), _case(id="b", max_chain_depth=0), _case(id="c", expected_result=FAILURE, crls=["-"])
    )
    done = subprocess.run(
        [sys.executable, "-m", "pki.conformance", str(path)], capture_output=True, text=True, check=False
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": "ours::server", "expected": SUCCESS, "actual": SUCCESS, "context": ""},
        {"id": "b", "expected": SUCCESS, "actual": FAILURE, "context": "chain: the path is longer than allowed"},
        {"id": "c", "expected": FAILURE, "actual": FAILURE, "context": "malformed: the revocation list cannot be read"},
    ]
    assert done.stderr == "3 cases: 2 as expected, 1 refused though valid, 0 accepted though invalid, 0 skipped\n"
    assert done.returncode == 0


def test_accepting_what_the_file_rejects_is_exit_1(tmp_path, capsys):
    assert main([str(_file(tmp_path, _case(expected_result=FAILURE)))]) == 1
    assert "1 accepted though invalid" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"[]", b'{"testcases": [{}]}', b"\xff"])
def test_another_file_is_exit_2(tmp_path, capsys, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert main([str(path)]) == 2
    assert main([str(tmp_path / "absent.json")]) == 2
    assert "not a file of x509-limbo" in capsys.readouterr().err


def test_wrong_usage_is_exit_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "example:" in capsys.readouterr().out


def test_public_suffixes_are_known():
    is_public_suffix = public_suffixes()
    assert [is_public_suffix(name) for name in ("com", "co.uk", "example.org", "s3.amazonaws.com")] == [
        True, True, False, True,
    ]  # fmt: skip
