import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detector import DOUBTFUL_SCORE
from outpost.dlp.detectors.secrets import valid_jwt
from tests.outpost.dlp import samples
from tests.outpost.dlp.detectors.table import ENGINE, found

HEADERS = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PGP PRIVATE KEY BLOCK-----")
JWT_IO = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
SECRETS = {
    "secret.aws_access_key": (samples.AWS_ACCESS,),
    "secret.github_token": (samples.GITHUB, samples.GITHUB_MISTYPED, samples.GITHUB_PAT),
    "secret.slack_token": (samples.SLACK,),
    "secret.slack_webhook": (samples.SLACK_WEBHOOK,),
    "secret.google_api_key": (samples.GOOGLE,),
    "secret.openai_api_key": (samples.OPENAI_OLD, samples.OPENAI_PROJECT, samples.OPENAI_SERVICE),
    "secret.anthropic_api_key": (samples.ANTHROPIC,),
    "secret.stripe_key": (samples.STRIPE,),
    "secret.private_key": (samples.PEM, samples.PEM_ESCAPED, samples.PEM_TRUNCATED, *HEADERS),
    "secret.jwt": (samples.JWT,),
    "secret.outpost_key": (samples.OUTPOST,),
}  # fmt: skip
CASES = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]


@pytest.mark.parametrize(("kind", "secret"), CASES)
@pytest.mark.parametrize(
    "shape", ["{}", "KEY={}\n", "'{}'", '{{"k": "{}"}}', "use {} now", "密钥{}。", "Authorization: Bearer {}", "x:{},"]
)
def test_found_wherever_they_stand(kind, secret, shape):
    assert found(shape.format(secret), "secret") == [(kind, secret)]


def test_a_checksum_raises_the_score():
    (sure,) = ENGINE.scan(samples.GITHUB)
    (unsure,) = ENGINE.scan(samples.GITHUB_MISTYPED)
    assert (sure.detector, unsure.detector) == ("github-token/crc32", "github-token/shape")
    assert sure.score > unsure.score


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AIza" + "0123456789" * 3 + "01234", "secret.google_api_key"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "secret.aws_access_key"),
        ("sk-" + "1234567890abcdef" * 3, "secret.openai_api_key"),
        ("dop_v1_" + "1234567890abcdef" * 4, "secret.digitalocean_pat"),
    ],
)
def test_a_key_that_was_counted_out_scores_less(text, kind):
    (finding,) = ENGINE.scan(text)
    assert (finding.kind, finding.score) == (kind, DOUBTFUL_SCORE)


@pytest.mark.parametrize("before", ["aws_secret_access_key = ", "AWS_SECRET_ACCESS_KEY=", '"secretAccessKey": "'])
def test_an_aws_secret_key_beside_its_name(before):
    assert found(before + samples.AWS_SECRET, "secret") == [("secret.aws_secret_key", samples.AWS_SECRET)]


@pytest.mark.parametrize(
    "text",
    [
        samples.AWS_SECRET,  # without its name
        "aws key of commit " + "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        samples.AWS_ACCESS + "A",
        samples.AWS_ACCESS[:-1],
        samples.GITHUB[:-1],
        samples.GITHUB + "a",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghp_" + "x" * 36,
        samples.GOOGLE + "a",
        samples.GOOGLE[:-1],
        "AIza" + "0123456789" * 3 + "0123",
        "sk-your-api-key-goes-here-please-and-thank-you",
        "sk-proj-YOUR_API_KEY_YOUR_API_KEY_YOUR_API_KEY_1",
        "sk-" + "x" * 48,
        "sk-learn-is-a-library-for-machine-learning",
        "sk-ant-api03-" + "x" * 93,
        "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
        samples.STRIPE.replace("sk_", "pk_"),
        "xoxb-your-token-here",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        samples.PEM_PUBLIC,
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "BEGIN PRIVATE KEY",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
        samples.NOT_A_JWT,
        samples.JWT.partition(".")[0],
        JWT_IO,
        "sk-op-prod-" + "a" * 42,
        str(uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)),
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "<YOUR_API_KEY>",
    ],
)
def test_near_misses(text):
    assert found(text, "secret") == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (samples.PEM + "\nThen prose follows here", len(samples.PEM)),
        (samples.PEM_TRUNCATED + "\nand so on, said he", len(samples.PEM_TRUNCATED)),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n"
            + samples.PEM[32:],
            None,
        ),
    ],
)
def test_a_private_key_ends_where_its_block_ends(text, length):
    (finding,) = ENGINE.scan(text)
    assert (finding.start, finding.end) == (0, len(text) if length is None else length)


@given(st.text(max_size=80))
def test_any_token_is_judged_without_an_error(token):
    assert valid_jwt(token) in (True, False)
