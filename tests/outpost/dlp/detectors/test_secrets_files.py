# ruff: noqa: E501 - one case a line
import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detectors.secrets_files import DETECTORS, holds_credentials
from outpost.dlp.engine import Engine

ENGINE = Engine(DETECTORS)
_RANDOM = random.Random(11)


def _signs(count, alphabet=string.ascii_letters + string.digits):
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


def _base64(text):
    return base64.b64encode(text.encode()).decode()


BASIC = _base64("bob:hunter22")
TOKEN, HEX32, HEX64 = _signs(30) + "7k", _signs(32, "0123456789abcdef"), _signs(64, "0123456789abcdef")
BCRYPT, SHA512, MD5 = _signs(53), _signs(86), _signs(22)
TRUENAS = "3-" + _signs(64)
_BASE64_44 = _signs(43) + "="
SALESFORCE = "AQ" + _signs(90)
PEM = "LS0tLS1CRUdJTi" + base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----\n" + _signs(80).encode()).decode()[14:]


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        (f"Authorization: Basic {BASIC}", "secret.basic_auth_header", BASIC),
        (f'curl -H "Authorization: Bearer {TOKEN}" https://x.example', "secret.bearer_token", TOKEN),
        (f'"Authorization": "Bearer {TOKEN}"', "secret.bearer_token", TOKEN),
        (f"Authorization: token {TOKEN}", "secret.authorization_header", TOKEN),
        (f"X-Api-Key: {TOKEN}", "secret.api_key_header", TOKEN),
        (f"Cookie: PHPSESSID={TOKEN}", "secret.session_cookie", TOKEN),
        (f'"registry.example": {{"auth": "{BASIC}"}}', "secret.docker_auth", BASIC),
        (
            f"Private-Lines: 2\n{TOKEN}\n{TOKEN}==\nPrivate-MAC: {HEX32}",
            "secret.private_key",
            f"Private-Lines: 2\n{TOKEN}\n{TOKEN}==\nPrivate-MAC:",
        ),
        (f"_auth = {BASIC}", "secret.npmrc_auth", BASIC),
        (f"//npm.example/:_authToken={TOKEN}", "secret.npmrc_auth", TOKEN),
        (f"access_token$production${_signs(16, '0123456789abcdef')}${HEX32}", "secret.braintree_token", HEX32),
        (f"00D{'x1' * 6}!{SALESFORCE}", "secret.salesforce_token", SALESFORCE),
        (f"key: {PEM}", "secret.base64_private_key", PEM),
        (f"Authorization: SSWS 00{TOKEN}{TOKEN[:8]}", "secret.okta_ssws_token", f"00{TOKEN}{TOKEN[:8]}"),
        (f'"auth.login_with_api_key",\n  "params": [\n    "{TRUENAS}"', "secret.truenas_key", TRUENAS),
        (f"bob:$apr1$x7Yz12ab${MD5}", "secret.password_hash_md5crypt", MD5),
        (f"bob:$2y$10${BCRYPT}", "secret.password_hash_bcrypt", BCRYPT),
        (f"bob:$6$rounds=5000$saltsalt${SHA512}:19000:0", "secret.password_hash_sha512crypt", SHA512),
        (f"bob:1001:{HEX32}:{HEX32}:::", "secret.password_hash_ntlm", f"{HEX32}:{HEX32}"),
        (f"{{SSHA}}{TOKEN}", "secret.password_hash_ldap", TOKEN),
        ("curl -u bob:hunter2! https://x.example", "credential_leak", "hunter2!"),
        (f"curl https://x.example/{'a' * 60} -u client-17:{TOKEN}", "credential_leak", TOKEN),
        (f"Authorization: Bearer {HEX32}", "secret.bearer_token", HEX32),
        (f"vault operator unseal {_BASE64_44}", "secret.hashicorp_vault_unseal_key_argument", _BASE64_44),
        (
            f"a password generated.\nPlease use the following password to proceed to installation:\n\n{HEX32}\n",
            "secret.jenkins_admin_password",
            HEX32,
        ),
        ('new DirectoryEntry("LDAP://DC1",\n  "corp\\\\bob",\n  "hunter22");', "credential_leak", "hunter22"),
        ("curl https://x.example --user 'bob:hunter22'", "credential_leak", "hunter22"),
        (r"psexec \\10.1.2.3 -u CORP\bob -p S3cretPw cmd", "secret.password", "S3cretPw"),
        ("sshpass -p hunter22 ssh bob@x.example", "secret.password", "hunter22"),
        ("mysql -uroot -pS3cretPw db", "secret.password", "S3cretPw"),
        ("docker login -u bob -p hunter22 registry.example", "secret.password", "hunter22"),
        ("db.corp.example:5432:prod:app:Sup3rPw!x\n", "credential_leak", "Sup3rPw!x"),
        ("bob@example.org:Hunter22\n", "credential_leak", "Hunter22"),
        ("dump:\nann@example.org;qwerty123", "credential_leak", "qwerty123"),
        ('new NetworkCredential("bob", "hunter22")', "credential_leak", "hunter22"),
    ],
)
def test_found(text, kind, found):
    assert (kind, found) in [(f.kind, text[f.start : f.end]) for f in ENGINE.scan(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic <credentials>", "Authorization: Basic QWxhZGRpbg==", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Authorization: Bearer ${TOKEN}", "Bearer of good news and great joys",
        "Authorization: Bearer your-access-token-goes-here", '"auth": "oauth2/configuration"', "X-Api-Key: configuration_value",
        "git@github.com:org/repo1.git", "mail bob@example.org: hello2you", "mkdir -p some/path1", "cp -u a:b c", f"cp -u some:path/{HEX64}/of/words x", "rsync -u host:directory_of_words_only x", "curl -u $USER:$PASS https://x.example",
        "curl -u user:password https://x.example", "at 10:3000:x:y:z1234", "postgres@db.example:5432/x1", "psexec -p $Password", "docker login -p <password>",
        'new NetworkCredential("bob", password)', "$2y$10$tooshort", f"$HOME/{BCRYPT}", HEX64, BASIC, f"basically {BASIC}", "[REDACTED:secret.password]",
        f"sha256:{HEX64}", "mysql -p3306", "docker run -p 8080:8080 image1",
    ],
)  # fmt: skip
def test_near_misses(text):
    assert ENGINE.scan(text) == []


@given(st.text(max_size=40))
def test_any_text_is_judged_without_an_error(text):
    assert holds_credentials(text) in (True, False)
