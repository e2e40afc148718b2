"""Values that must be found, made here from a fixed seed so that no real-looking key stands in the repository."""

import base64
import json
import random
import string
import zlib

# ruff: noqa: RUF001 - look-alike signs are the test

_RANDOM = random.Random(20240117)
_ALNUM = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _signs(count: int, alphabet: str = _ALNUM) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


def _base62(value: int) -> str:
    signs = ""
    while value:
        value, digit = divmod(value, 62)
        signs = _ALNUM[digit] + signs
    return signs.rjust(6, "0")


def _github() -> str:
    body = _signs(30)
    return "ghp_" + body + _base62(zlib.crc32(body.encode()))


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _pem(label: str, lines: int, newline: str = "\n") -> str:
    body = [_signs(64, _ALNUM + "+/") for _ in range(lines)] + [_signs(22) + "=="]
    return newline.join([f"-----BEGIN {label}-----", *body, f"-----END {label}-----"])


AWS_ACCESS = "AKIA" + _signs(16, string.ascii_uppercase + "234567")
AWS_SECRET = "k7/" + _signs(35) + "+Z"
GITHUB = _github()
GITHUB_MISTYPED = GITHUB[:-1] + ("0" if GITHUB[-1] != "0" else "1")
GITHUB_PAT = "github_pat_" + _signs(22) + "_" + _signs(59)
SLACK = "xoxb-" + _signs(12, string.digits) + "-" + _signs(13, string.digits) + "-" + _signs(24)
SLACK_WEBHOOK = (
    "https://hooks.slack.com/services/T" + _signs(8, _ALNUM[:36]) + "/B" + _signs(8, _ALNUM[:36]) + "/" + _signs(24)
)
GOOGLE = "AIza" + _signs(35, _ALNUM + "_-")[:-1] + "k"
OPENAI_OLD = "sk-" + _signs(20) + "T3BlbkFJ" + _signs(20)
OPENAI_PROJECT = "sk-proj-" + _signs(74, _ALNUM + "_-") + "T3BlbkFJ" + _signs(74)
OPENAI_SERVICE = "sk-svcacct-" + _signs(58) + "T3BlbkFJ" + _signs(58)
ANTHROPIC = "sk-ant-api03-" + _signs(93, _ALNUM + "_-") + "AA"
STRIPE = "sk_live_" + _signs(24)
OUTPOST = "sk-op-prod-" + _signs(43)
JWT = ".".join((_segment({"alg": "RS256", "typ": "JWT"}), _segment({"sub": "u-77", "iat": 1_700_000_000}), _signs(86)))
NOT_A_JWT = ".".join((_segment({"algorithm": "none"}), _segment({"sub": "u-77"}), _signs(43)))
PEM = _pem("RSA PRIVATE KEY", 6)
PEM_ESCAPED = _pem("PRIVATE KEY", 4, "\\n")
PEM_TRUNCATED = "\n".join(_pem("EC PRIVATE KEY", 3).split("\n")[:3])
PEM_PUBLIC = _pem("PUBLIC KEY", 4)

ALL_SECRETS = (
    AWS_ACCESS, GITHUB, GITHUB_PAT, SLACK, SLACK_WEBHOOK, GOOGLE, OPENAI_OLD, OPENAI_PROJECT, OPENAI_SERVICE, ANTHROPIC,
    STRIPE, OUTPOST, JWT, PEM, PEM_ESCAPED, PEM_TRUNCATED,
)  # fmt: skip
PERSONAL = (
    "4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "5555.5555.5555.4444",
    "GB29 NWBK 6016 1331 9268 19",
    "de89370400440532013000", "536-22-8726", "alice.o'hara+x@mail.example.org", "josé@exämple.de", "+44 20 7946 0958",
    "+1 (650) 253-0000 ext. 12", "(650) 253-0000", "650-253-0000 x123", "203.0.113.77", "2001:db8:85a3::8a2e:370:7334",
    "４１１１ 1111 1111 1111", "4111\u200b1111\u00ad1111 1111".replace(" ", ""), "٤١١١١١١١١١١١١١١١",
)  # fmt: skip
# Values that are secret by what leads them in, cut and mixed at random with the rest.
LED = (
    "my password is hunter2!", 'password: "Winter 2024!"', "DB_PASSWORD=s3cr3t!x\n", "user: bob, pass = Tiger#77 ",
    "key: ", "Das Passwort lautet: Geheim123", "define('AUTH_KEY', 'x7$ kQ", "secret key: " + GITHUB[4:24],
    "api_key=" + GITHUB[4:30] + ",", "postgres://app:s3c!r3t@db/x", "https://bob:p$ss1x@h.example",
    "curl -u bob:hun!ter2 ", "h:5432:db:app:Sup3r!x ", "bob@example.org:Hunt!er22\n",
    'NetworkCredential("bob", "hun)ter22")', "datadog_key=" + "3f9d1c0b7a6e5d4c" * 2,
    "$2b$12$" + GITHUB[4:36] + GITHUB[4:25],
    "Authorization: Basic Ym9iOmh1bnRlcjIy", "sshpass -p hun!ter22 x", "token ", "secret ", '"password" : ',
    "password is ", "value = ", "-----", "Private-Lines: 2\nAAAA7x\nBBBB9y==\nPrivate-MAC: 00",
)  # fmt: skip
# Words that decide about scores, neighbours that glue, and things that look like the above.
AROUND = (
    "my card is ", "SSN: ", "social security ", "phone ", "call me at ", "version ", "aws secret key = ", "ip ", "the ",
    " and ", ", ", ". ", "-", ".", "/", "(", ") ", "\n", " ", "  ", "\t", "x", "é", "号", "，", "½", "ﬁ", "\u200b",
    "123", "12 34 ", "4111 ", "000 ", "ext", " ext. 5", "GB29 ", "AB12 cdef ", "1, 2, 3 ", "536228726", "@", ":", "+",
    "-----BEGIN ", "-----BEGIN RSA PRIVATE KEY-----", "-----END ", "[REDACTED:pii.phone]", "🙂",
    "...", AWS_SECRET,
)  # fmt: skip
