"""Each row of the tables of formats: what it finds, and what comes close and is not it."""

# ruff: noqa: E501 - one case a line

import base64
import json
import random
import string
from functools import cache

import pytest

from outpost.dlp.detectors import (
    secrets_vendors_ai,
    secrets_vendors_business,
    secrets_vendors_cloud,
    secrets_vendors_code,
    secrets_vendors_named,
)
from outpost.dlp.detectors.secret_format import begins_token, ends_token, no_words, signs_of, trigger_of
from outpost.dlp.engine import Engine
from tests.outpost.dlp.detectors.made import any_of, matching
from tests.outpost.dlp.detectors.table import ENGINE

STRONG = (
    *secrets_vendors_ai.DETECTORS,
    *secrets_vendors_business.DETECTORS,
    *secrets_vendors_cloud.DETECTORS,
    *secrets_vendors_code.DETECTORS,
)
NAMED = secrets_vendors_named.DETECTORS
ALNUM = string.ascii_letters + string.digits


def _rows(detectors):
    return [pytest.param(detector, id=detector.name) for detector in detectors]


def _signs(seed, count, alphabet=ALNUM):
    rng = random.Random(seed)
    return "".join(rng.choice(alphabet) for _ in range(count))


def _base64(value):
    return base64.b64encode(value).decode().rstrip("=")


# Rows whose function asks for more than the pattern does.
MADE = {
    "discord-bot-token": "M" + _base64(b"123456789012345678")[1:] + "." + _signs(1, 6) + "." + _signs(2, 27),
    "grafana-key": base64.b64encode(json.dumps({"k": _signs(3, 32), "n": "deploy", "id": 1}, separators=(",", ":")).encode()).decode(),
    "onepassword-service-token": "ops_" + _base64(json.dumps({"signInAddress": _signs(4, 240)}).encode()),
    "pypi-token": "pypi-" + _base64(b"\x02\x01\x08" + b"pypi" + b".org\x02\x27" + _signs(5, 90).encode()),
    "sentry-org-token": "sntrys_" + _base64(b'{"iat":1700000000.5,"url":"https://sentry.io","org":"acme"}') + "_" + _signs(6, 43),
    "teamcity-token": "eyJ0eXAiOiAiVENWMiJ9." + _signs(7, 36) + "." + _signs(8, 48),
}  # fmt: skip


def sample(detector):
    made = MADE.get(detector.name)
    return made if made is not None else matching(_group(detector), detector.name)[0]


@cache
def _engine(name):
    return Engine([detector for detector in (*STRONG, *NAMED) if detector.name == name])


def alone(detector, text):
    return [text[f.start : f.end] for f in _engine(detector.name).scan(text)]


@pytest.mark.parametrize("detector", _rows(STRONG))
def test_a_strong_format_is_found_wherever_it_stands(detector):
    secret = sample(detector)
    for shape in (
        "{}",
        "KEY={}\n",
        '{{"k": "{}"}}',
        "use {} now",
        "密钥{}。",
        r"a\n{}\n",
        "https://x.example/?k={}&a=1",
        "({}).",
    ):
        assert alone(detector, shape.format(secret)) == [secret], shape


@pytest.mark.parametrize("detector", _rows(STRONG))
def test_what_comes_close_to_a_strong_format_is_not_it(detector):
    secret = sample(detector)
    assert alone(detector, "z" + secret) == [] or not secret[0].isalnum()
    tail = secret.rstrip("=")
    assert secret not in alone(detector, f"{tail}_zz")
    placeholder = trigger_of(detector.pattern).replace("\\", "") + "x" * len(secret)
    assert alone(detector, placeholder) == []
    for short in (secret[: len(secret) // 2], secret[: len(secret) // 4]):
        assert secret not in alone(detector, short)


@pytest.mark.parametrize(
    "detector", _rows(d for d in STRONG if d.pattern[-1] == "}" and "," not in d.pattern.rpartition("{")[2])
)
def test_a_format_of_fixed_length_is_neither_shorter_nor_longer(detector):
    secret = sample(detector)
    assert alone(detector, secret[:-1]) == []
    assert alone(detector, secret + "0") == []


@pytest.mark.parametrize(
    "name", ["discord-bot-token", "grafana-key", "onepassword-service-token", "pypi-token", "sentry-org-token"]
)
def test_a_structure_that_does_not_decode_is_refused(name):
    (detector,) = (d for d in STRONG if d.name == name)
    secret = MADE[name]
    cut = secret.find("_") + 1 if "_" in secret else 5 if name == "pypi-token" else 0
    broken = secret[:cut] + "".join(sorted(secret[cut : cut + 4], reverse=True)).swapcase() + secret[cut + 4 :]
    assert broken != secret
    assert alone(detector, broken) == []


@pytest.mark.parametrize("detector", _rows(STRONG))
def test_the_engine_of_all_finds_the_same_span(detector):
    secret = sample(detector)
    text = f"see {secret} here"
    assert any(f.start <= 4 and f.end >= 4 + len(secret) and f.kind.startswith("secret.") for f in ENGINE.scan(text)), (
        text
    )


def _vendor(detector):
    return any_of(detector.trigger.removeprefix("(?i)"), detector.name)


def _group(detector):
    """The pattern of the value; behind it stands what would go on with it."""
    return detector.pattern.rpartition("[")[0] if detector.group else detector.pattern


@pytest.mark.parametrize("detector", _rows(NAMED))
def test_a_weak_format_counts_behind_its_vendors_name(detector):
    secret, vendor = matching(_group(detector), detector.name)[0], _vendor(detector)
    for text in (
        f"{vendor}_api_key = {secret}\n", f'"{vendor}": {{"token": "{secret}"}}', f"my {vendor} access token is {secret},",
        f"export {vendor.upper()}_SECRET={secret}", f"MY_{vendor}={secret}",
    ):  # fmt: skip
        assert alone(detector, text) == [secret], text


@pytest.mark.parametrize("detector", _rows(NAMED))
def test_a_weak_format_alone_or_far_or_called_a_digest_is_nothing(detector):
    secret, vendor = matching(_group(detector), detector.name)[0], _vendor(detector)
    for text in (
        secret, f"the value is {secret}", f"{vendor}_key and then some other text of which there is more than enough here {secret}",
        f"{vendor}_key sha256: {secret}", f"{vendor} token at commit {secret}", f"{vendor}_key={secret}0", f"{vendor}_key={secret[:-1]}",
    ):  # fmt: skip
        assert secret not in alone(detector, text), text


def test_two_hundred_and_fifty_formats_and_more():
    assert len({d.kind for d in (*STRONG, *NAMED)}) >= 250


@pytest.mark.parametrize(
    ("pattern", "trigger"),
    [
        (r"glpat-[0-9A-Za-z_-]{20}", "glpat-"),
        (r"(?:sk|rk)_live_[0-9a-z]{4}", "_live_"),
        (r"[0-9a-z]{14}\.atlasv1\.[0-9a-z]{60}", r"\.atlasv1\."),
        (r"endr\+[0-9A-Za-z-]{16}", r"endr\+"),
        (r"nf[pcoub]_[0-9A-Za-z]{36}", "nf[pcoub]_"),
        (r"[0-9a-z]{3}[78]Q~[0-9a-z]{31}", "Q~"),
        (r"ab?cd(?:ef)*ghi[0-9]{4}", "ghi"),
    ],
)
def test_the_trigger_is_the_longest_literal(pattern, trigger):
    assert trigger_of(pattern) == trigger


@pytest.mark.parametrize(
    ("text", "at", "begins"),
    [
        ("k", 0, True),
        (" k", 1, True),
        ("xk", 1, False),
        ("_k", 1, True),
        (r"\nk", 2, True),
        ("%3Dk", 3, True),
        ("3Dk", 2, False),
    ],
)
def test_where_a_token_can_begin(text, at, begins):
    assert begins_token(text, at) is begins


@pytest.mark.parametrize(
    ("after", "signs", "ends"),
    [("", "", True), (" ", "", True), ("a", "", False), ("_", "", False), ("-a", "", True), ("-a", "-", False), ("-", "-", False), ("-->", "-", True), ("-> ", "-", True), ("-->", "", True), (". ", ".", True), ("=", "=", True)],
)  # fmt: skip
def test_where_a_token_ends(after, signs, ends):
    assert ends_token("k" + after, 1, signs) is ends


def test_the_signs_of_the_last_class():
    assert signs_of(r"a[0-9.]{2}[0-9A-Za-z_+-]{3}") == "-+"


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("lip_" + _signs(9, 20), True),
        ("lip_sync_animation_clip2", False),
        ("STS.GetCallerIdentityRequest", False),
        ("dvc_server_connection_1", False),
        ("", False),
    ],
)
def test_names_of_variables_are_no_keys(text, mixed):
    assert no_words(text) is mixed
