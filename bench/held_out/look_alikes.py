"""Texts that look like secrets or identifiers and hold none: nothing may be found in them.

``PLACEHOLDERS`` are the issue's "never": stand-ins for a key, documented samples, UUIDs, git hashes, lock-file digests.
``NUMBERS`` are rows of digits that are something else. Written without looking at the detectors or their samples.
"""

import base64
import random
import string
import uuid
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.held_out.identifiers import digits

Text = Callable[[random.Random], str]
_HEX = "0123456789abcdef"


def _hex(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(_HEX, k=count))


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _digest(rng: random.Random, count: int) -> str:
    return base64.b64encode(rng.randbytes(count)).decode()


_STAND_INS = (
    "YOUR_API_KEY",
    "your-api-key-here",
    "<YOUR_TOKEN>",
    "${API_TOKEN}",
    "$SECRET_KEY",
    "{{ secrets.DEPLOY_KEY }}",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "XXXX-XXXX-XXXX-XXXX",
    "****************",
    "REPLACE_ME",
    "<insert key>",
    "changeme-please",
    "sk-...",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIAXXXXXXXXXXXXXXXX",
    "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
    "%API_KEY%",
    "os.environ['API_KEY']",
    "process.env.API_KEY",
    "config.get('api_key')",
    "[REDACTED]",
    "<redacted>",
    "TODO",
    "null",
    "my-secret-token",
    "example-token",
    "dummy_key_for_tests",
    "INSERT_YOUR_KEY",
    "0000000000000000000000000000000000000000",
    "abcdefghijklmnopqrstuvwxyz123456",
    "sk-ant-api03-your-key-here",
    "xoxb-your-token",
    "AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
)
_JWT_SAMPLE = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
# Printed in the vendors' own documentation.
_SAMPLES = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    _JWT_SAMPLE,
)
_ASSIGN = (
    'api_key = "{}"',
    "API_KEY={}",
    "token: {}",
    "Authorization: Bearer {}",
    "Set the key with `export SECRET_KEY={}` first.",
    "password={}",
    'client_secret: "{}"',
    "How do I replace {} in the config with the real key?",
)


def _stand_in(rng: random.Random) -> str:
    return rng.choice(_ASSIGN).format(rng.choice(_STAND_INS))


def _sample(rng: random.Random) -> str:
    return rng.choice(_ASSIGN).format(rng.choice(_SAMPLES))


def _uuids(rng: random.Random) -> str:
    one, other = _uuid(rng), _uuid(rng)
    return rng.choice(
        (
            f"request_id={one} trace={other}",
            f"GET /v1/orders/{one}/items 404",
            f'{{"id": "{one}", "parent": "{other}"}}',
            f"subscription {one} in tenant {other}",
            f"[HKEY_CLASSES_ROOT\\CLSID\\{{{one.upper()}}}]",
            f"key: {one}",
            f"The session key of the cache is {one}, why is it not found?",
            f"{one.replace('-', '')}.log",
        )
    )


def _git(rng: random.Random) -> str:
    one, other = _hex(rng, 40), _hex(rng, 40)
    return rng.choice(
        (
            f"commit {one}\nAuthor: ci\n\n    bump token parser",
            f"git cherry-pick {one[:9]}..{other[:9]}",
            f"index {one[:7]}..{other[:7]} 100644",
            f'Revert "rotate key" (reverts commit {one})',
            f"uses: actions/checkout@{one} # v4",
            f"https://git.fennwerk.de/core/app/commit/{one}",
            f"ref: {one} is the secret fix everybody talks about",
            f"submodule 'auth-token' pinned to {one}",
            f'rev = "{one}"',
        )
    )


def _lock(rng: random.Random) -> str:
    sha = _hex(rng, 64)
    return rng.choice(
        (
            f'"integrity": "sha512-{_digest(rng, 64)}"',
            f"    --hash=sha256:{sha} \\",
            f'checksum = "{sha}"',
            f"github.com/fennwerk/token v1.4.2 h1:{_digest(rng, 32)}",
            f'    {{file = "secrets-1.0-py3-none-any.whl", hash = "sha256:{sha}"}},',
            f"FROM debian@sha256:{sha}",
            f'"content-hash": "{_hex(rng, 32)}"',
            f'ETag: "{_hex(rng, 32)}"',
            f"{sha}  keystore.tar.gz",
            f"  resolution: {{integrity: sha512-{_digest(rng, 64)}}}",
            f"MD5 (password-list.txt) = {_hex(rng, 32)}",
            f"<script src='/auth.js' integrity='sha384-{_digest(rng, 48)}'></script>",
            f"image: registry.fennwerk.de/key-server@sha256:{sha}",
        )
    )


def _public(rng: random.Random) -> str:
    key = rng.choice((ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)))().public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    block = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return rng.choice(
        (f"{line} deploy@build", f"Add this public key please:\n{line}", block, f"public_key = '''{block}'''")
    )


def _names(rng: random.Random) -> str:
    tail = "".join(rng.choices(string.ascii_lowercase + string.digits, k=5))
    return rng.choice(
        (
            f"pod auth-token-refresher-{_hex(rng, 10)}-{tail} is in CrashLoopBackOff",
            f"arn:aws:lambda:eu-west-1:000000000000:function:rotate-{tail}",
            f"class AccessTokenRepositoryFactoryBean{rng.randint(1, 99)}Impl",
            f"test_password_reset_token_expires_after_{rng.randint(2, 90)}_days PASSED",
            "secretKeyRef:\n  name: billing-credentials\n  key: password",
            f"kubectl get secret db-{tail} -o yaml",
            "passwordField.setText(getPassword())",
            "token = tokenizer.next_token()",
            "if (password.length < MIN_PASSWORD_LENGTH) throw new InvalidPasswordError();",
            "api_key: str = Field(..., description='API key of the provider')",
            "password: ${{ secrets.NPM_TOKEN }}",
            f"--color-secret: #{_hex(rng, 6)};",
            "const apiKey = await vault.read('billing/api-key');",
            "password = getpass.getpass('Password: ')",
            "DB_PASSWORD_FILE=/run/secrets/db_password",
        )
    )


PLACEHOLDERS: dict[str, Text] = {
    "placeholder": _stand_in,
    "documented sample": _sample,
    "uuid": _uuids,
    "git hash": _git,
    "lock-file digest": _lock,
    "public key": _public,
    "name of a secret": _names,
}


def _version(rng: random.Random) -> str:
    one = ".".join(str(rng.randint(0, 40)) for _ in range(4))
    return rng.choice(
        (
            f"upgrade to version {one}",
            f"Chrome/{rng.randint(90, 140)}.0.{rng.randint(1000, 9999)}.{rng.randint(10, 250)} Safari/537.36",
            f'AssemblyVersion("{one}")',
            f"libfoo ({one}) is older than 4.2",
        )
    )


def _time(rng: random.Random) -> str:
    second = rng.randint(1_500_000_000, 1_800_000_000)
    return rng.choice(
        (
            f"created_at={second}",
            f'"ts": {second}{digits(rng, 3)}',
            f"at 2025-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T08:{rng.randint(10, 59)}:17.{digits(rng, 6)}Z",
            f"{second}.{digits(rng, 6)} started",
            f"backup-20250{rng.randint(1, 9)}1{rng.randint(0, 9)}-{digits(rng, 6)}.tar",
        )
    )


def _order(rng: random.Random) -> str:
    return rng.choice(
        (
            f"order {digits(rng, 9)} was shipped",
            f"Invoice INV-2025-{digits(rng, 6)} over 1,{digits(rng, 3)}.00 EUR",
            f"ticket #{digits(rng, 7)}",
            f"SKU {digits(rng, 5)}-{digits(rng, 4)}-{digits(rng, 2)} is out of stock",
            f"tracking number 1Z{digits(rng, 3)}E{digits(rng, 11)}",
            f"ISBN 978-3-{digits(rng, 2)}-{digits(rng, 6)}-{digits(rng, 1)}",
            f"EAN {digits(rng, 13)}",
            f"case no. {digits(rng, 4)}/{digits(rng, 2)}",
            f"purchase order {digits(rng, 10)} of March",
            f"part no. {digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}",
            f"batch {digits(rng, 8)}, {digits(rng, 12)} units",
            f"https://shop.fennwerk.de/p/{digits(rng, 12)}?ref={digits(rng, 10)}",
            f"tweet/{digits(rng, 19)}",
        )
    )


def _rows(rng: random.Random) -> str:
    return rng.choice(
        (
            " ".join(str(rng.randint(0, 9)) for _ in range(40)),
            " ".join(str(rng.randint(10, 99) * 100 + 50) for _ in range(12)),
            ", ".join(digits(rng, 4) for _ in range(16)),
            "\n".join(f"{digits(rng, 4)}\t{digits(rng, 5)}\t{digits(rng, 3)}" for _ in range(8)),
            f"lat {rng.randint(30, 60)}.{digits(rng, 14)}, lon {rng.randint(0, 30)}.{digits(rng, 14)}",
            f"pi is 3.14159265358979{digits(rng, 10)}",
            f"0x{_hex(rng, 16)} 0x{_hex(rng, 16)}",
            f"population {rng.randint(100, 999)} {rng.randint(100, 999)} {rng.randint(100, 999)}",
            f"{_hex(rng, 2)} " * 32,
            f"revenue {rng.randint(100, 999)},{digits(rng, 3)},{digits(rng, 3)} (2023: 498,{digits(rng, 3)},204)",
            f"checksum {digits(rng, 20)}",
            f"#{_hex(rng, 6)} #{_hex(rng, 6)} #{_hex(rng, 6)}",
        )
    )


NUMBERS: dict[str, Text] = {"version": _version, "time": _time, "order or product": _order, "rows of numbers": _rows}
