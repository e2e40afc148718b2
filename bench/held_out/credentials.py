"""Invented credentials in the forms that vendors document: prefixes, lengths and, where public, checksums.

Written from the vendors' public descriptions, without looking at the detectors or their samples. None opens anything.
"""

import base64
import json
import random
import string
import zlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.held_out.identifiers import Maker, Type

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_URL = string.ascii_letters + string.digits + "-_"
_HEX = "0123456789abcdef"
_KINDS = ("secret", "credential_leak")


def some(rng: random.Random, signs: str, count: int) -> str:
    return "".join(rng.choices(signs, k=count))


def base62(rng: random.Random, count: int) -> str:
    return some(rng, _BASE62, count)


def url64(rng: random.Random, count: int) -> str:
    return rng.choice(_BASE62) + some(rng, _URL, count - 2) + rng.choice(_BASE62)


def crc(head: str, body: str) -> str:
    """GitHub's and npm's form: six base-62 signs of the CRC-32 of the random part."""
    number, signs = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        signs = _BASE62[rest] + signs
    return f"{head}{body}{signs}"


def jwt(rng: random.Random) -> str:
    head = {"alg": rng.choice(("HS256", "RS256")), "typ": "JWT"}
    body = {
        "sub": some(rng, string.digits, 10),
        "iat": rng.randint(1_600_000_000, 1_760_000_000),
        "scope": "orders:read",
    }
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, body)]
    return ".".join([*parts, url64(rng, 43)])


def pem(rng: random.Random) -> str:
    kind = rng.choice(("rsa", "ec", "ed"))
    key = (
        rsa.generate_private_key(65537, 2048)
        if kind == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
        if kind == "ec"
        else ed25519.Ed25519PrivateKey.generate()
    )
    form = PrivateFormat.PKCS8 if kind == "ed" else rng.choice((PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL))
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode().strip()


def openssh(_rng: random.Random) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode().strip()


def password(rng: random.Random) -> str:
    words = ("Copper", "lantern", "Quokka", "riverbed", "Mosaic", "thunder", "Velvet", "pickaxe", "Orchard", "glacier")
    return rng.choice((
        f"{rng.choice(words)}{rng.choice('!#$%*')}{rng.randint(10, 9999)}{rng.choice(words)}",
        some(rng, string.ascii_letters + string.digits + "!#$%*-_", 16),
        base62(rng, 20),
    ))  # fmt: skip


_HOST = ("db.fennwerk.internal", "pg-7.eu-west.harborline.net", "mongo0.alvora.cloud")


def connection(rng: random.Random) -> str:
    scheme, port = rng.choice(
        (("postgres", 5432), ("mysql", 3306), ("mongodb+srv", 0), ("amqps", 5671), ("redis", 6379))
    )
    where = rng.choice(_HOST) + (f":{port}" if port else "")
    return f"{scheme}://svc_{rng.choice(('billing', 'orders', 'etl'))}:{base62(rng, 18)}@{where}/prod"


def azure_storage(rng: random.Random) -> str:
    key = base64.b64encode(rng.randbytes(64)).decode()
    account = f"AccountName=fennwerk{rng.randint(1, 99)};AccountKey={key}"
    return f"DefaultEndpointsProtocol=https;{account};EndpointSuffix=core.windows.net"


def b64(rng: random.Random, count: int) -> str:
    return base64.b64encode(rng.randbytes(count)).decode()


# What begins with its vendor's sign and needs no word beside it.
PREFIXED: dict[str, Maker] = {
    "github classic": lambda r: crc(r.choice(("ghp_", "gho_", "ghs_", "ghu_")), base62(r, 30)),
    "github fine-grained": lambda r: f"github_pat_{base62(r, 22)}_{base62(r, 59)}",
    "npm": lambda r: crc("npm_", base62(r, 30)),
    "gitlab": lambda r: f"glpat-{url64(r, 20)}",
    "aws key id": lambda r: r.choice(("AKIA", "ASIA")) + some(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    "google api": lambda r: "AIza" + "Sy" + url64(r, 33),
    "google oauth secret": lambda r: "GOCSPX-" + url64(r, 28),
    "stripe live": lambda r: r.choice(("sk_live_", "rk_live_")) + base62(r, r.choice((24, 99))),
    "stripe webhook": lambda r: "whsec_" + base62(r, 32),
    "slack bot": lambda r: f"xoxb-{some(r, string.digits, 12)}-{some(r, string.digits, 13)}-{base62(r, 24)}",
    "slack user": lambda r: "xoxp-" + "-".join(some(r, string.digits, 12) for _ in range(3)) + f"-{some(r, _HEX, 32)}",
    "slack webhook": lambda r: (
        f"https://hooks.slack.com/services/T{some(r, string.ascii_uppercase + string.digits, 8)}/B"
        f"{some(r, string.ascii_uppercase + string.digits, 10)}/{base62(r, 24)}"
    ),
    "openai project": lambda r: f"sk-proj-{url64(r, 74)}T3BlbkFJ{url64(r, 74)}",
    "openai old": lambda r: f"sk-{base62(r, 20)}T3BlbkFJ{base62(r, 20)}",
    "anthropic": lambda r: f"sk-ant-api03-{url64(r, 93)}AA",
    "huggingface": lambda r: "hf_" + some(r, string.ascii_letters, 34),
    "sendgrid": lambda r: f"SG.{url64(r, 22)}.{url64(r, 43)}",
    "twilio key": lambda r: "SK" + some(r, _HEX, 32),
    "digitalocean": lambda r: "dop_v1_" + some(r, _HEX, 64),
    "shopify": lambda r: r.choice(("shpat_", "shpss_", "shpca_")) + some(r, _HEX, 32),
    "pypi": lambda r: "pypi-AgEIcHlwaS5vcmc" + url64(r, 155),
    "rubygems": lambda r: "rubygems_" + some(r, _HEX, 48),
    "docker hub": lambda r: "dckr_pat_" + url64(r, 27),
    "databricks": lambda r: "dapi" + some(r, _HEX, 32),
    "linear": lambda r: "lin_api_" + base62(r, 40),
    "notion": lambda r: "ntn_" + some(r, string.digits, 11) + base62(r, 35),
    "postman": lambda r: f"PMAK-{some(r, _HEX, 24)}-{some(r, _HEX, 34)}",
    "grafana service account": lambda r: f"glsa_{base62(r, 32)}_{some(r, _HEX, 8)}",
    "new relic user": lambda r: "NRAK-" + some(r, string.ascii_uppercase + string.digits, 27),
    "planetscale": lambda r: r.choice(("pscale_tkn_", "pscale_pw_")) + url64(r, 43),
    "pulumi": lambda r: "pul-" + some(r, _HEX, 40),
    "doppler": lambda r: "dp.pt." + base62(r, 43),
    "terraform cloud": lambda r: f"{base62(r, 14)}.atlasv1.{url64(r, 67)}",
    "vault service": lambda r: "hvs." + url64(r, 95),
    "supabase": lambda r: "sbp_" + some(r, _HEX, 40),
    "square": lambda r: "sq0atp-" + url64(r, 22),
    "telegram bot": lambda r: f"{some(r, '123456789', 1)}{some(r, string.digits, 9)}:AA{url64(r, 33)}",
    "discord webhook": lambda r: (
        f"https://discord.com/api/webhooks/{some(r, '123456789', 1)}{some(r, string.digits, 17)}/{url64(r, 68)}"
    ),
    "atlassian": lambda r: "ATATT3xFfGF0" + url64(r, 171) + "=" + some(r, _HEX.upper(), 8),
    "age": lambda r: "AGE-SECRET-KEY-1" + some(r, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "mailgun": lambda r: "key-" + some(r, _HEX, 32),
    "mailchimp": lambda r: some(r, _HEX, 32) + "-us" + str(r.randint(1, 21)),
    "dynatrace": lambda r: (
        f"dt0c01.{some(r, string.ascii_uppercase + '234567', 24)}.{some(r, string.ascii_uppercase + '234567', 64)}"
    ),
    "figma": lambda r: "figd_" + url64(r, 40),
    "groq": lambda r: "gsk_" + base62(r, 52),
    "replicate": lambda r: "r8_" + base62(r, 37),
    "azure storage": azure_storage,
    "jwt": jwt,
    "private key": pem,
    "openssh key": openssh,
    "database url": connection,
}
# What is a secret only for what is written before it; ``carriers.py`` writes that.
NAMED: dict[str, Maker] = {
    "password": password,
    "aws secret": lambda r: some(r, string.ascii_letters + string.digits + "/+", 40),
    "generic api key": lambda r: r.choice((base62(r, 32), some(r, _HEX, 40), url64(r, 43))),
    "client secret": lambda r: url64(r, 40),
}
_NAMED_WORDS = {
    "password": ("password", "passwd", "Passwort", "contraseña", "mot de passe", "DB_PASSWORD", "admin password"),
    "aws secret": ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key", "secret access key"),
    "generic api key": ("api_key", "API key", "X-API-Key", "ACME_API_KEY", "apiKey"),
    "client secret": ("client_secret", "CLIENT_SECRET", "clientSecret"),
}
_PREFIXED_WORDS = ("token", "key", "value", "credential", "this", "it")
TYPES = (
    *(Type(f"secret: {name}", _KINDS, make, _PREFIXED_WORDS) for name, make in PREFIXED.items()),
    *(Type(f"secret named: {name}", _KINDS, make, _NAMED_WORDS[name], strict=False) for name, make in NAMED.items()),
)
