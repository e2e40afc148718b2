"""Values of the kinds that disguises are tried on, made from a seed."""

import random
import string
import zlib

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _luhn_digit(digits: str) -> str:
    total = 0
    for i, c in enumerate(reversed(digits)):
        value = int(c) * (2 if i % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(rng: random.Random) -> str:
    prefix = rng.choice(("4", "51", "53", "55", "2345", "6011"))
    body = prefix + "".join(rng.choice(string.digits) for _ in range(15 - len(prefix)))
    return body + _luhn_digit(body)


def amex(rng: random.Random) -> str:
    body = "37" + "".join(rng.choice(string.digits) for _ in range(12))
    return body + _luhn_digit(body)


def ssn(rng: random.Random) -> str:
    return f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


def iban(rng: random.Random) -> str:
    body = "".join(rng.choice(string.digits) for _ in range(18))
    check = 98 - int(body + "131400") % 97
    return f"DE{check:02d}{body}"


def email(rng: random.Random) -> str:
    first = rng.choice(("alice", "bob", "carol", "dmitri", "eve"))
    last = rng.choice(("smith", "jones", "mueller", "okafor", "tanaka"))
    host, ending = rng.choice(("acme-corp", "contoso", "initech")), rng.choice(("com", "org", "de"))
    return f"{first}.{last}{rng.randint(1, 99)}@{host}.{ending}"


def github(rng: random.Random) -> str:
    body = "".join(rng.choice(_BASE62) for _ in range(30))
    value, signs = zlib.crc32(body.encode()), ""
    while value:
        value, digit = divmod(value, 62)
        signs = _BASE62[digit] + signs
    return "ghp_" + body + signs.rjust(6, "0")


def aws(rng: random.Random) -> str:
    return "AKIA" + "".join(rng.choice(string.ascii_uppercase + "234567") for _ in range(16))


def anthropic(rng: random.Random) -> str:
    return "sk-ant-api03-" + "".join(rng.choice(_BASE62 + "_-") for _ in range(93)) + "AA"


def phone(rng: random.Random) -> str:
    return f"+49 30 {rng.randint(10000000, 99999999)}"


MAKERS = {
    "card": (card, "pci.pan"),
    "amex": (amex, "pci.pan"),
    "ssn": (ssn, "pii.national_id.us"),
    "iban": (iban, "fin.iban"),
    "email": (email, "pii.email"),
    "github": (github, "secret.github_token"),
    "aws": (aws, "secret.aws_access_key"),
    "anthropic": (anthropic, "secret.anthropic_api_key"),
    "phone": (phone, "pii.phone"),
}
