"""``python -m pki.conformance FILE``: run a file of x509-limbo test cases through our path validation.

One JSON line per case on standard output: ``{"id", "expected", "actual", "context"}``, ``actual`` being SUCCESS or
FAILURE and ``context`` why we refused, or SKIPPED for a case whose fields ask for what we do not know. A count goes to
standard error. Exit status: 0 nothing was accepted that the file rejects (what we refuse beyond it is listed in
tests/conformance/limbo_deviations.toml); 1 something was; 2 usage, or the file cannot be read.
Format: limbo-schema.json of github.com/C2SP/x509-limbo.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pki.errors import CertificateInvalid
from pki.general import IsPublicSuffix, Wanted, dns_or_address, verify_general
from pki.path import TrustStore
from pki.pem import parse_certificate, parse_certificates
from pki.revocation import parse_crl

SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
SKIPPED: Final = "SKIPPED"
MAX_FILE_BYTES: Final = 256 * 1024 * 1024  # the whole suite with its largest cases is some 30 MB

_USAGES: Final = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
_USAGE_OF_KIND: Final = {"SERVER": "serverAuth", "CLIENT": "clientAuth"}
_OTHER_USAGES: Final = {
    "anyExtendedKeyUsage": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one case."""

    id: str
    expected: str
    actual: str
    context: str

    @property
    def is_unsafe(self) -> bool:
        """True if we accept what the suite rejects."""
        return self.expected != SUCCESS and self.actual == SUCCESS


class NotLimbo(Exception):
    """The file is not in the suite's format."""


def read_cases(content: bytes) -> list[dict[str, Any]]:
    """The test cases in ``content``.

    Raises:
        NotLimbo: it is not JSON, or not ``{"testcases": [{"id", "expected_result", ...}]}``.
    """
    try:
        document = json.loads(content)
        cases = document["testcases"]
        for case in cases:
            _ = (case["id"], case["expected_result"], case["peer_certificate"], case["trusted_certs"])
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise NotLimbo("not a file of x509-limbo test cases") from err
    return list(cases)


def run_case(case: dict[str, Any], now: datetime, is_public_suffix: IsPublicSuffix | None) -> Verdict:
    """Judge one case; ``now`` stands for the time of a case that gives none."""
    context = ""
    try:
        trust, leaf = _material(case)
        verify_general(leaf, trust=trust, at=_time(case, now), wanted=_wanted(case, is_public_suffix))
        actual = SUCCESS
    except CertificateInvalid as err:
        actual, context = FAILURE, str(err)
    except (KeyError, TypeError, AttributeError, ValueError):
        actual, context = SKIPPED, "a field of the case has a value that we do not know"
    return Verdict(case["id"], case["expected_result"], actual, context)


def run_file(path: Path, now: datetime, is_public_suffix: IsPublicSuffix | None) -> Iterator[Verdict]:
    """Judge every case of a file, in its order.

    Raises:
        NotLimbo: see ``read_cases``.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise NotLimbo("the file is too large")
    for case in read_cases(path.read_bytes()):
        yield run_case(case, now, is_public_suffix)


def public_suffixes() -> IsPublicSuffix | None:
    """The public suffix list, if the package that carries it is installed; without it no wildcard is accepted."""
    try:
        from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - a development dependency
    except ImportError:
        return None
    suffixes = PublicSuffixList()
    return lambda name: suffixes.privatesuffix(name) is None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pki.conformance",
        description="Run x509-limbo test cases through our path validation; one JSON line per case.",
        epilog='example: python -m pki.conformance limbo.json | grep -v \'"expected": "FAILURE"\'',
    )
    parser.add_argument("file", type=Path, help="limbo.json, or another file of its format")
    path = parser.parse_args(arguments).file
    warnings.simplefilter("ignore")  # the suite's certificates are odd on purpose; the library says so each time
    counts = {"agree": 0, "stricter": 0, "unsafe": 0, "skipped": 0}
    try:
        for verdict in run_file(path, datetime.now(UTC), public_suffixes()):
            print(json.dumps(asdict(verdict)))  # noqa: T201 - a command
            counts[_count_as(verdict)] += 1
            if sys.stderr.isatty():
                print(f"\r{sum(counts.values())} cases", end="", file=sys.stderr, flush=True)  # noqa: T201
    except (NotLimbo, OSError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        print(f"{path}: {why}", file=sys.stderr)  # noqa: T201
        return 2
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)  # noqa: T201
    print(  # noqa: T201
        f"{sum(counts.values())} cases: {counts['agree']} as expected, {counts['stricter']} refused though valid, "
        f"{counts['unsafe']} accepted though invalid, {counts['skipped']} skipped",
        file=sys.stderr,
    )
    return 1 if counts["unsafe"] else 0


def _count_as(verdict: Verdict) -> str:
    if verdict.actual == SKIPPED:
        return "skipped"
    if verdict.is_unsafe:
        return "unsafe"
    return "agree" if verdict.actual == verdict.expected else "stricter"


def _material(case: dict[str, Any]) -> tuple[TrustStore, x509.Certificate]:
    trust = TrustStore(
        _certificates(case["trusted_certs"]),
        _certificates(case.get("untrusted_intermediates") or ()),
        tuple(parse_crl(pem.encode()) for pem in case.get("crls") or ()),
    )
    return trust, parse_certificate(case["peer_certificate"].encode())


def _certificates(pems: Sequence[str]) -> tuple[x509.Certificate, ...]:
    return tuple(certificate for pem in pems for certificate in parse_certificates(pem.encode()))


def _time(case: dict[str, Any], now: datetime) -> datetime:
    at = case.get("validation_time")
    return now if at is None else datetime.fromisoformat(at)


def _wanted(case: dict[str, Any], is_public_suffix: IsPublicSuffix | None) -> Wanted:
    names = [case.get("expected_peer_name"), *(case.get("expected_peer_names") or ())]
    return Wanted(
        usages=_usages(case),
        names=tuple(_name(name) for name in names if name is not None),
        signs="digitalSignature" in (case.get("key_usage") or ()),
        max_depth=case.get("max_chain_depth"),
        is_public_suffix=is_public_suffix,
    )


def _usages(case: dict[str, Any]) -> tuple[ObjectIdentifier, ...]:
    usages = case.get("extended_key_usage") or [_USAGE_OF_KIND[case.get("validation_kind") or "SERVER"]]
    return tuple((_USAGES | _OTHER_USAGES)[usage] for usage in usages)


def _name(name: dict[str, str]) -> x509.GeneralName:
    return x509.RFC822Name(name["value"]) if name["kind"] == "RFC822" else dns_or_address(name["value"])


if __name__ == "__main__":
    sys.exit(main())
