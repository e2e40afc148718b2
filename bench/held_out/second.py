# ruff: noqa: RUF001 - letters of other languages
"""The second generation: other carriers, other vendors' formats, other look-alikes and prompts than the first.

Written when rules had been changed for the first generation's failures, again without looking at detectors or samples.
"""

import random
import string
import uuid
from base64 import b64encode

from bench.held_out.credentials import azure_storage, b64, base62, some, url64
from bench.held_out.identifiers import Maker, Type, digits

_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits

PREFIXED: dict[str, Maker] = {
    "airtable": lambda r: f"pat{base62(r, 14)}.{some(r, _HEX, 64)}",
    "hubspot": lambda r: f"pat-na1-{uuid.UUID(int=r.getrandbits(128), version=4)}",
    "netlify": lambda r: "nfp_" + base62(r, 36),
    "perplexity": lambda r: "pplx-" + base62(r, 48),
    "xai": lambda r: "xai-" + base62(r, 80),
    "openrouter": lambda r: "sk-or-v1-" + some(r, _HEX, 64),
    "tailscale": lambda r: f"tskey-auth-{base62(r, 12)}CNTRL-{base62(r, 32)}",
    "contentful": lambda r: "CFPAT-" + url64(r, 43),
    "razorpay": lambda r: "rzp_live_" + base62(r, 14),
    "typeform": lambda r: f"tfp_{url64(r, 44)}_{base62(r, 14)}",
    "brevo": lambda r: f"xkeysib-{some(r, _HEX, 64)}-{base62(r, 16)}",
    "duffel": lambda r: "duffel_live_" + url64(r, 43),
    "easypost": lambda r: "EZAK" + base62(r, 54),
    "flutterwave": lambda r: "FLWSECK-" + some(r, _HEX, 32) + "-X",
    "prefect": lambda r: "pnu_" + base62(r, 36).lower(),
    "readme": lambda r: "rdme_" + some(r, string.ascii_lowercase + string.digits, 70),
    "shippo": lambda r: "shippo_live_" + some(r, _HEX, 40),
    "sentry user": lambda r: "sntryu_" + some(r, _HEX, 64),
    "alibaba": lambda r: "LTAI5t" + base62(r, 18),
    "vault batch": lambda r: "hvb.AAAAAQ" + url64(r, 140),
    "digitalocean oauth": lambda r: r.choice(("doo_v1_", "dor_v1_")) + some(r, _HEX, 64),
    "gitlab runner": lambda r: "glrt-" + url64(r, 20),
    "gitlab trigger": lambda r: "glptt-" + some(r, _HEX, 40),
    "github app refresh": lambda r: "ghr_" + base62(r, 76),
    "slack app": lambda r: f"xapp-1-A{some(r, _UPPER, 10)}-{digits(r, 13)}-{some(r, _HEX, 64)}",
    "azure client secret": lambda r: f"{base62(r, 3)}8Q~{url64(r, 34)}",
    "heroku": lambda r: "HRKU-AA" + url64(r, 58),
    "infracost": lambda r: "ico-" + base62(r, 32),
    "mapbox secret": lambda r: "sk.eyJ1" + base62(r, 80) + "." + url64(r, 22),
    "twitch": lambda r: "oauth:" + some(r, string.ascii_lowercase + string.digits, 30),
    "1password service account": lambda r: "ops_eyJ" + base62(r, 260),
    "buildkite": lambda r: "bkua_" + some(r, _HEX, 40),
    "intra42": lambda r: "s-s4t2ud-" + some(r, _HEX, 64),
    "frame.io": lambda r: "fio-u-" + url64(r, 64),
    "azure storage": azure_storage,
    "sas url": lambda r: (
        f"https://fennwerk.blob.core.windows.net/logs?sv=2023-11-03&se=2026-01-01T00%3A00%3A00Z&sp=rl&sig="
        f"{b64(r, 32).replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}"
    ),
    "basic auth url": lambda r: f"https://deploy:{base62(r, 20)}@git.fennwerk.de/core/app.git",
    "basic header": lambda r: "Authorization: Basic " + b64encode(f"svc-etl:{base62(r, 20)}".encode()).decode(),
    "cookie bearer": lambda r: f"Authorization: Bearer {url64(r, 64)}",
    "odbc": lambda r: f"Server=tcp:sql7.fennwerk.internal,1433;User ID=svc;Password={base62(r, 18)};Encrypt=True;",
    "jdbc": lambda r: f"jdbc:postgresql://pg-7.fennwerk.internal:5432/crm?user=svc&password={base62(r, 18)}",
}
TYPES = tuple(Type(f"secret: {name}", ("secret", "credential_leak"), make, ("it",)) for name, make in PREFIXED.items())

TEXTS = (
    "{name}\n{value}",
    "{name} ({value}) — bitte prüfen, ob das so im System steht.",
    "Do not share this with anyone else: her {name} is {value}!",
    "«{name}» : {value}",
    "{name}:{value};",
    "we got an answer from the registry, they say {name} {value} belongs to a different person",
    "> On Tuesday Priya wrote:\n> my {name}, once more: {value}\n\nWhat do I answer?",
    "2. {name} -> {value}\n3. date of the meeting -> 4 March",
    "<td>{name}</td><td>{value}</td>",
    '{{"label": "{name}", "value": "{value}", "verified": false}}',
    "name,{name},country\nPriya,{value},XX\n",
    "Il mio {name} è {value}, potete correggere la pratica?",
    "Il/la {name} {value} n'est pas reconnu par le portail.",
    "{name} jest {value}, proszę o poprawienie wniosku",
    "Mit {name}={value} kommt 'ungültig', ohne geht es.",
    "form.set('{name}', '{value}') # from the scan",
    "Merhaba, {name} {value} için bir dilekçe yazar mısın?",
    "Dobrý den, {name}: {value}. Děkuji.",
    "こんにちは。{name}は{value}です。確認してください。",
)
SECRETS = (
    "{value}",
    "i leaked this by accident, what now: {value}",
    "  token: {value}  # expires friday\n",
    "-e AUTH={value} \\\n  -e MODE=prod",
    '<add key="Auth" value="{value}" />',
    "requests.get(url, headers={{'X-Auth': '{value}'}})",
    "Die Pipeline meldet 401 mit {value}, warum?",
    "[auth]\nsecret = {value}\ntimeout = 30\n",
    "ERROR 08:12 auth rejected ({value}) after 3 tries",
    "set -x AUTH '{value}'; and ./deploy.fish",
)
STAND_INS = (
    "API_KEY=<paste here>",
    "token = 'your_token_goes_here'",
    "password: ********",
    "secret: ${{ env.SECRET }}",
    "apiKey: 'xxx-xxx-xxx'",
    "GITHUB_TOKEN=ghp_...",
    "OPENAI_API_KEY=sk-your-key",
    "export AWS_SECRET_ACCESS_KEY=<secret>",
    "password=$(cat /run/secrets/db)",
    "client_secret: ENC[AES256_GCM,data:...]",
    "Bearer {access_token}",
    "pwd = input('password? ')",
    "SECRET_KEY = config('SECRET_KEY')",
    "api_key = None  # set by the operator",
    "Authorization: Bearer <JWT>",
    "stripe_key: sk_test_123",
    "password = 'password'",
    "AKIA0000000000000000",
    "ghp_000000000000000000000000000000000000",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "token=FAKE_TOKEN_FOR_DOCS",
    "key=REDACTED_BY_SECURITY",
    "secret=s3cr3t-goes-here",
    "postgres://user:password@localhost:5432/db",
    "https://user:pass@example.com/",
    "DATABASE_URL=postgres://USER:PASSWORD@HOST/NAME",
)


def look_alike(rng: random.Random) -> str:
    """A digest, an id or a name in other forms than the first generation's."""
    sha1, sha256 = some(rng, _HEX, 40), some(rng, _HEX, 64)
    return rng.choice(
        (
            f"SHA256 (release.tar.gz) = {sha256}",
            f"sha1sum: {sha1}",
            f'"gitHead": "{sha1}"',
            f"cosign verify --key k8s://ns/key img@sha256:{sha256}",
            f"x-amzn-trace-id: Root=1-{some(rng, _HEX, 8)}-{some(rng, _HEX, 24)}",
            f"traceparent: 00-{some(rng, _HEX, 32)}-{some(rng, _HEX, 16)}-01",
            f"fingerprint: SHA256:{b64(rng, 32).rstrip('=')} (ED25519)",
            f"    token_id: {uuid.UUID(int=rng.getrandbits(128), version=4)}",
            f"blob {sha1}\t{digits(rng, 5)}\tsecrets/README.md",
            f'If-None-Match: W/"{some(rng, _HEX, 32)}"',
            f"nix-store: /nix/store/{some(rng, '0123456789abcdfghijklmnpqrsvwxyz', 32)}-password-store-1.7.4",
            f"pnpm-lock: /@types/key@2.0.1: {{integrity: sha512-{b64(rng, 64)}}}",
            f"ulid 01{some(rng, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)} inserted",
            f"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg{b64(rng, 60)}",
            f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b64(rng, 32).rstrip('=')} ci@build",
            f"Set-Cookie flag: csrf-token-name=__Host-csrf-{digits(rng, 3)}",
        )
    )
