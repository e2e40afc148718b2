"""Passwords and secrets by what they are called. Values are invented here; none is anybody's."""

# ruff: noqa: E501 - several cases a line

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detectors.generic_secrets import DETECTORS, is_random, read
from outpost.dlp.engine import Engine
from tests.outpost.dlp.detectors.table import found

_RANDOM = random.Random(7)
TOKEN = "".join(_RANDOM.choice(string.ascii_letters + string.digits) for _ in range(24))
HEX = "".join(_RANDOM.choice("0123456789abcdef") for _ in range(32))
UUID = f"{HEX[:8]}-{HEX[8:12]}-{HEX[12:16]}-{HEX[16:20]}-{HEX[20:]}"
PASSWORD, LEAK, GENERIC = "secret.password", "credential_leak", "secret.generic"
ENGINE = Engine(DETECTORS)


def kinds(text):
    return [(f.kind, text[f.start : f.end]) for f in ENGINE.scan(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("my password is hunter2", PASSWORD, "hunter2"),
        ('the password is "swordfish".', PASSWORD, "swordfish"),
        ("Das Passwort lautet Geheim123!", PASSWORD, "Geheim123!"),
        ("Mein Kennwort ist: Sonne77x", PASSWORD, "Sonne77x"),
        ("le mot de passe est Soleil2023", PASSWORD, "Soleil2023"),
        ("mot de passe : Soleil99", PASSWORD, "Soleil99"),
        ("la contraseña es Verano#55", PASSWORD, "Verano#55"),
        ("la clave es Verano#55", PASSWORD, "Verano#55"),
        ("la parola è Estate77", PASSWORD, "Estate77"),
        ("a senha é Gato8899", PASSWORD, "Gato8899"),
        ("wachtwoord: Tulp2020", PASSWORD, "Tulp2020"),
        ("het wachtwoord is Tulp2020", PASSWORD, "Tulp2020"),
        ("the passcode is 4921", PASSWORD, "4921"),
        ("DB_PASSWORD=supersecret", PASSWORD, "supersecret"),
        ("  password: letmein\n", PASSWORD, "letmein"),
        ('{"password": "Winter2024!"}', PASSWORD, "Winter2024!"),
        ('password: str = "x1y2z3q4"', PASSWORD, "x1y2z3q4"),
        ("define('DB_PASSWORD',   'S3cr3t!pw');", PASSWORD, "S3cr3t!pw"),
        ('setPassword("Zx81!spectrum")', PASSWORD, "Zx81!spectrum"),
        ("<password>qwerty99</password>", PASSWORD, "qwerty99"),
        ('<add key="Password" value="p4ssw0rd!x" />', PASSWORD, "p4ssw0rd!x"),
        ("mysqldump --password=Tr0ub4dor x", PASSWORD, "Tr0ub4dor"),
        ("tool --password Tr0ub4dor x", PASSWORD, "Tr0ub4dor"),
        ('ConvertTo-SecureString "P@ss1word" -AsPlainText', PASSWORD, "P@ss1word"),
        ("Connect-VIServer -Server vc1 -Password vmware", PASSWORD, "vmware"),
        ("user: bob password: s3cr3tz", LEAK, "s3cr3tz"),
        ("login: alice / pass: Summer#1", LEAK, "Summer#1"),
        ("Username: bob\nPassword: Tiger7", LEAK, "Tiger7"),
        ("My login is bob@corp.example and the password is Tiger77!", LEAK, "Tiger77!"),
        ("machine git.example login bob password qwertyhunt", LEAK, "qwertyhunt"),
        ("Server=db;Uid=sa;Pwd=letmein;Encrypt=true", LEAK, "letmein"),
        ("user=bob&password=hunterz&x=1", LEAK, "hunterz"),
        (f'api_key = "{TOKEN}"', GENERIC, TOKEN),
        (f"apiKey: '{TOKEN}',", GENERIC, TOKEN),
        (f"export ACME_TOKEN={HEX}", GENERIC, HEX),
        (f"secret_key_base: {HEX}", GENERIC, HEX),
        (f"my api key is {TOKEN}", GENERIC, TOKEN),
        (f"os.environ.get('DJANGO_SECRET_KEY', '{TOKEN}#!x')", GENERIC, TOKEN + "#!x"),
        (f"define('AUTH_KEY',         '5$ xP]0kd;l s8Fj3{TOKEN}');", GENERIC, f"5$ xP]0kd;l s8Fj3{TOKEN}"),
        (f"https://x.example/?token={TOKEN}&page=2", GENERIC, TOKEN),
        (f'\\"clientSecret\\": \\"{TOKEN}\\"', GENERIC, TOKEN),
        (f"acme KEY {TOKEN}", GENERIC, TOKEN),
        (f"acmeKEY={TOKEN}", GENERIC, TOKEN),
        (f"acme_key = {TOKEN}", GENERIC, TOKEN),
        (f"acme secret {HEX}", GENERIC, HEX),
        (f"The api key for Acme Cloud is {TOKEN}.", GENERIC, TOKEN),
        (f"the client secret of our staging tenant: '{TOKEN}'", GENERIC, TOKEN),
        ("The password for the admin account is Winter2024! ok", PASSWORD, "Winter2024!"),
        ('the password for user "bob" is "Tiger77!"', PASSWORD, "Tiger77!"),
        ("password for bob is x1y2z3q4 which is fine", PASSWORD, "x1y2z3q4"),
        ('password: "#kx9!Lq2v"', PASSWORD, "#kx9!Lq2v"),
        ("passwd: f#duy2HhpwnFEy", PASSWORD, "f#duy2HhpwnFEy"),
        ("password = f'Winter2024!'", PASSWORD, "Winter2024!"),
        ("export password='$pQNxOu0buw18yff'", PASSWORD, "$pQNxOu0buw18yff"),
        ("define('DB_PASSWORD', 'plumtree');", PASSWORD, "plumtree"),
        ("DB_PASSWORD=*F2rD24bQ#AFAS", PASSWORD, "*F2rD24bQ#AFAS"),
        ('admin password = "$ol8n$5lbBuh9p3Q"', PASSWORD, "$ol8n$5lbBuh9p3Q"),
        ("acme_token = abcd1234efgh5678ijkl9012", GENERIC, "abcd1234efgh5678ijkl9012"),
        ("ACME_API_KEY=12345678901234567890123456789012", GENERIC, "12345678901234567890123456789012"),
        (f"buildConfigField 'String', 'API_KEY', '\"{HEX}\"'", GENERIC, HEX),
        ('secret: "winter#garden"', GENERIC, "winter#garden"),
        ("MAILER_PASSWORD=plumtree # of the mailer", PASSWORD, "plumtree"),
        ("machine git.example login bob password 123456", LEAK, "123456"),
        ('"Server=db;User ID=bob;Password=#plum;Encrypt=no"', LEAK, "#plum"),
        ('"User ID=bob; " & "Password =plumtree;x"', LEAK, "plumtree"),
    ],
)
def test_found(text, kind, value):
    assert kinds(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "the password is required", "password reset link", "Passwords must have 8 characters", "the key points are as follows",
        "Password:", "password = userPassword;", "password=password)", "password: string;", "token: string", "password: SecretStr",
        "token: process.env.TOKEN", "const token = await getToken();", 'password = input("Password: ")', "PASSWORD=${DB_PASSWORD}",
        "PASSWORD=$DB_PASSWORD", "password: {{ vault_password }}", 'api_key=os.environ["X"]', 'password: "********"', "PASSWORD=changeme",
        '"token": "<your token>"', "api_key = YOUR_API_KEY", 'password = "xxxxxxxx"', "password => 'required|min:8'", "password: null",
        '<input type="password" name="password" placeholder="Password">', "max_tokens: 4096", "tokens = tokenizer.encode(text)",
        f"PublicKeyToken={HEX[:16]}", f'"public_key": "{HEX}"', f'cache_key = "{HEX}"', f"csrf_token: {HEX}", f'primary_key="{HEX}"',
        f"commit {HEX}", f"token sha1 {HEX}", "password_file = /run/secrets/db_password", 'token_type: "Bearer"', "passwordless login",
        "The secret to success is hard work", "secret: my-app-secret", "Keep it secret, keep it safe", "By-Pass from the south",
        'password.label = "Enter password"', "self.password = password", "auth_key = get_key(1)", 'key="value"', "Key: C major",
        "password is at least 12 characters", "password=[REDACTED:secret.password]", 'secretName: "db-credentials"', "api_key = None",
        "token = abc123", "appWD.Alignment = wdAlignParagraphCenter", 'secrets = ["DOCKER_USERNAME", "DOCKER_PASSWORD"]',
        f"the gpg key {HEX}", f"cache key {HEX}", f"sorted by key {HEX}", f"the signing key {HEX.upper()}", 'secret: "word#1"', f'GITHUB_TOKEN="ghp_{TOKEN}"',
        "api_key = 1234567890", "the password for the wifi is required", "def decrypter(pwd):\n    key0 = 305419896", "user_password: bytes,\n", r"(?P<password>[^\s/]*)", r"(?<token>[0-9a-f]{32})", "'PASSWORD',\n 'PLACING',", 'password.encode("utf-8")',
        "username, password = proxy_auth", "`username`, `password`, `host`", 'TOKEN_PROFILE = "http://docs.example.org/2004/01/token-profile-1.0"',
        "private_key: PKCS7PrivateKeyTypes", f'token = "{TOKEN[:12]}...{TOKEN[:6]}"', "password=" + "0" * 40, "the key of success is Winter2024!", f"MD5 (password-list.txt) = {HEX}",
        "password = abcdefghijklmnopqrstuvwxyz123456", 'api_key = "abcdefghijklmnopqrstuvwxyz123456"', "PASSWORD=$DB_PASSWORD_2", "password: $env:PASS2", f"the session key of the cache is {UUID}", f"user_key: {UUID}", 'password-color: "#aabbcc"', 'password: "thisismypassword"', "key: abcdefghijklmnop", "sorting key: name", 'session["token"] = token', "a token of appreciation: flowers", "password = 'secret'",
        '"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="',
    ],
)  # fmt: skip
def test_near_misses(text):
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("value", "random_"),
    [
        (TOKEN, True),
        (HEX, True),
        ("hunter_gatherer_key", False),
        ("aaaaaaaaaaaaaaaaaaaaaaaaa1", False),
        ("", False),
        ("application/json;charset=utf8", False),
        ("MyVeryLongIdentifierName2", False),
    ],
)
def test_random_strings_are_told_from_words(value, random_):
    assert is_random(value) is random_


def test_a_redacted_value_is_not_found_again():
    text = "user: bob password: s3cr3tz"
    ((kind, value),) = found(text, "cred")
    assert found(text.replace(value, f"[REDACTED:{kind}]")) == []


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text):
    assignment = read(text, 0, len(text))
    assert assignment is None or assignment.value in text
    whole = text.encode(errors="replace").decode()
    whole = f"{whole}password: {whole}"
    assert all(0 <= f.start < f.end <= len(whole) for f in ENGINE.scan(whole))
