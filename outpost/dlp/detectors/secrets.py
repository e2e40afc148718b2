r"""Keys and tokens with a public shape: vendor prefix, length, checksum where it is published.

Patterns take the whole token, then the function judges its length: RE2 has no look-ahead, and ``\b`` does not end a
token that may hold ``-``. Example keys are refused (``placeholders.py``).
"""

import base64
import binascii
import json
import string
import zlib

import re2

from outpost.dlp.detector import Detector
from outpost.dlp.placeholders import is_placeholder, looks_typed

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def is_real(secret: str) -> bool:
    """Whether the key is not an example."""
    return not is_placeholder(secret)


def valid_aws_secret(secret: str) -> bool:
    """Forty signs of base64 with letters of both cases and digits: not a hexadecimal digest, not a path."""
    mixed = any(map(str.islower, secret)) and any(map(str.isupper, secret)) and any(map(str.isdigit, secret))
    return mixed and secret.count("/") < 6 and is_real(secret)  # noqa: PLR2004 - random ones hold 6 or more once in 10**5


def valid_github_checksum(token: str) -> bool:
    """The last six signs are the base62 CRC-32 of the thirty before (GitHub blog, 5 April 2021, on token formats)."""
    body = token[4:]
    value, encoded = zlib.crc32(body[:30].encode()), ""
    while value:
        value, digit = divmod(value, 62)
        encoded = _BASE62[digit] + encoded
    return body[30:] == encoded.rjust(6, "0") and is_real(token)


def valid_google(key: str) -> bool:
    """Exactly 39 signs."""
    return len(key) == 39 and is_real(key)  # noqa: PLR2004


# Teams, users and applications are numbers of 8 to 14 digits; then follows what is secret (api.slack.com, token types).
_SLACK = re2.compile(
    r"xapp-.{40,}|xoxb-(?:[0-9]{8,14}-){1,2}[0-9A-Za-z]{18,34}|xox[pes]-(?:[0-9]{8,14}-){2,3}[0-9A-Za-z-]{24,64}|"
    r"xoxo-(?:[0-9]+-){2,3}[0-9a-f]+|xox[ar]-(?:[0-9]-)?(?:[0-9]{8,14}-){0,3}[0-9A-Za-z]{8,64}|xoxc-(?:[0-9]+-){3}[0-9a-f]{64}|"
    r"xoxe(?:-1)?-[0-9A-Za-z-]{100,200}"
)


def valid_slack(token: str) -> bool:
    """As many numbers before the secret part as the type of token has."""
    return _SLACK.fullmatch(token) is not None and is_real(token)


def valid_jwt(token: str) -> bool:
    """The first part decodes to a JSON object with an ``alg`` (RFC 7515 4.1.1)."""
    head = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str) and is_real(token)


# RFC 7468 labels and OpenPGP's; a header alone counts, for a truncated key is still most of a key. Line breaks may be
# escaped, quoted or concatenated, as in JSON and source code.
_BREAK = r"(?:[\s\"'+,;>|]|\\{1,4}[nrt]){0,12}"
PRIVATE_KEY = (
    r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_BREAK}(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[0-9A-Za-z,.:/() _-]{{0,80}})*"
    rf"(?:{_BREAK}[0-9A-Za-z+/=]{{16,}})*"
    rf"({_BREAK}[0-9A-Za-z+/=]{{0,64}}{_BREAK}(?:=[0-9A-Za-z+/]{{4}}{_BREAK})?"
    r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?"
)
# From the end of what matched to the end of a footer still to come: three breaks of 60, a last line and the footer.
_PRIVATE_KEY_OPEN_CHARS = 400

DETECTORS = (
    Detector(
        name="aws-access-key",
        kind="secret.aws_access_key",
        pattern=r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.95,
    ),
    Detector(
        name="aws-secret-key",
        kind="secret.aws_secret_key",
        pattern=r"[0-9A-Za-z/+]{40,}",
        validate=lambda secret: len(secret) == 40 and valid_aws_secret(secret),  # noqa: PLR2004
        doubts=looks_typed,
        base_score=0.1,
        context_words=("secret_access_key", "secretaccesskey", "secret access key", "secret_key", "secret key", "aws"),
        context_score=0.9,
    ),
    Detector(
        name="github-token/crc32",
        kind="secret.github_token",
        pattern=r"\bgh[pousr]_[0-9A-Za-z]{36}\b",
        validate=valid_github_checksum,
        doubts=looks_typed,
        base_score=0.99,
    ),
    Detector(
        name="github-token/shape",
        kind="secret.github_token",
        pattern=r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59})\b",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.7,  # may be mistyped or made up, but nothing else looks like it
    ),
    Detector(
        name="slack-token",
        kind="secret.slack_token",
        pattern=r"\b(?:xox[abcdeoprs]-[0-9A-Za-z-]{10,}|xapp-[0-9]-[0-9A-Z]+-[0-9]+-[0-9a-f]{32,})",
        validate=valid_slack,
        doubts=looks_typed,
        base_score=0.95,
    ),
    Detector(
        name="slack-webhook",
        kind="secret.slack_webhook",
        pattern=r"https://hooks\.slack\.com/(?:services/T|workflows/T|triggers/[TE])[0-9A-Za-z]{6,}/[0-9A-Za-z]{6,}/[0-9A-Za-z/]{16,}",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.98,
    ),
    Detector(
        name="google-api-key",
        kind="secret.google_api_key",
        pattern=r"\bAIza[0-9A-Za-z_-]{35,}",
        validate=valid_google,
        doubts=looks_typed,
        base_score=0.95,
    ),
    Detector(
        name="openai-api-key",
        kind="secret.openai_api_key",
        # T3BlbkFJ is base64 of "OpenAI" and stands in the middle of every key of the vendor's.
        pattern=r"\bsk-(?:(?:proj|svcacct|admin|None)-)?[0-9A-Za-z_-]{16,}T3BlbkFJ[0-9A-Za-z_-]{16,}",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.99,
    ),
    Detector(
        name="openai-api-key/shape",
        kind="secret.openai_api_key",
        pattern=r"\bsk-(?:[0-9A-Za-z]{48}|(?:proj|svcacct|admin)-[0-9A-Za-z_-]{40,})\b",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.7,
    ),
    Detector(
        name="anthropic-api-key",
        kind="secret.anthropic_api_key",
        pattern=r"\bsk-ant-[a-z]{3,8}[0-9]{2}-[0-9A-Za-z_-]{32,}",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.99,
    ),
    Detector(
        name="stripe-key",
        kind="secret.stripe_key",
        # pk_ keys are made to be published.
        pattern=r"\b(?:(?:sk|rk)_(?:live|test|prod)_[0-9A-Za-z]{14,}|whsec_[0-9A-Za-z+/]{32,})\b",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.95,
    ),
    Detector(
        name="private-key",
        kind="secret.private_key",
        pattern=PRIVATE_KEY,
        base_score=0.95,
        open_ended_chars=_PRIVATE_KEY_OPEN_CHARS,
    ),
    Detector(
        name="jwt",
        kind="secret.jwt",
        pattern=r"\bey[IJ][0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{2,}(?:\.[0-9A-Za-z_-]*){1,3}",
        validate=valid_jwt,
        doubts=looks_typed,
        base_score=0.95,
    ),
    Detector(
        name="outpost-key",
        kind="secret.outpost_key",
        # docs/protocol.md, virtual keys.
        pattern=r"\bsk-op-[0-9A-Za-z]+-[0-9A-Za-z]{43}\b",
        validate=is_real,
        doubts=looks_typed,
        base_score=0.99,
    ),
)
