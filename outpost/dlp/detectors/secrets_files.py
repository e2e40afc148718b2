"""Secrets of settings files, password files and HTTP headers, told by what leads them in.

Values that may hold any sign (``curl -u``, ``.pgpass``, combination lists) end their pattern with one character more,
group 1, so that a stream knows when they are decided.
"""

# ruff: noqa: E501 - one row a line

import base64
from collections.abc import Callable, Iterator

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import Detector
from outpost.dlp.detectors.secret_format import Spans, led
from outpost.dlp.placeholders import is_placeholder
from outpost.dlp.rarity import bits_per_sign, entropy

_BASE64 = r"[0-9A-Za-z+/]{8,}={0,2}"
_HASH64 = r"[./0-9A-Za-z]"
# A reference, a marker or a mask where a password would stand.
_REFERENCE = re2.compile(r"^(?:[$%{<*\[(]|x+$|pass(?:word|wd)?$|pwd$|secret$|token$)")
_MIN_PASSWORD = 4
# Random letters and digits cost more (rarity.py); words cost less.
_RANDOM_BITS = 4.2
_RANDOM_ENTROPY = 3.0
_HEX, _MIN_HEX = re2.compile("[0-9a-f]+|[0-9A-F]+"), 32


def holds_credentials(encoded: str) -> bool:
    """The base64 of ``user:password`` (RFC 7617 2), no example."""
    try:
        user, colon, password = base64.b64decode(encoded.rstrip("=") + "==").decode("utf-8").partition(":")
    except ValueError:  # not base64, or not UTF-8
        return False
    if is_placeholder(encoded, short=True):
        return False
    return bool(colon and user.isprintable() and password.isprintable() and is_password(password))


def is_password(value: str) -> bool:
    """Whether it can be one: long enough, no reference, no placeholder."""
    if len(value) < _MIN_PASSWORD or _REFERENCE.match(value.lower()) is not None:
        return False
    return not is_placeholder(value, short=True)


def is_random(token: str) -> bool:
    """Letters and digits that are no words."""
    mixed = any(map(str.isdigit, token)) and any(map(str.isalpha, token))
    return mixed and entropy(token) > _RANDOM_ENTROPY and (bits_per_sign(token) > _RANDOM_BITS or _is_hex(token))


def _is_hex(token: str) -> bool:
    return len(token) >= _MIN_HEX and _HEX.fullmatch(token) is not None


def _encoded_or_random(token: str) -> bool:
    return is_random(token) or holds_credentials(token)


# Less than a vendor's format scores for the same span.
_HEADER_SCORE = 0.6
_HEADERS = led(
    (
        ("basic_auth_header", r"(?i)basic\s", r"(?i)\bbasic\s{1,2}", _BASE64, holds_credentials),
        ("bearer_token", r"(?i)bearer\s", r"(?i)\bbearer[\s:=]{1,3}[\"']?", r"[0-9A-Za-z_.~+/-]{16,}={0,2}", is_random),
        ("authorization_header", r"(?i)authorization", r"(?i)authorization[\"']?\s{0,2}[:=,]\s{0,2}[\"']?(?:(?:token|api-?key|key|hmac|digest|negotiate|ntlm|oauth)\s{1,2})?(?:token=\"?)?", r"[0-9A-Za-z_.~+/-]{16,}={0,2}", is_random),
        ("api_key_header", r"(?i)x-[a-z-]{0,20}(?:key|token|auth)", r"(?i)x-[a-z-]{0,20}(?:key|token|auth|secret)[\"']?\s{0,2}[:=,]\s{0,2}[\"']?", r"[0-9A-Za-z_.~+/-]{16,}={0,2}", is_random),
        ("session_cookie", r"(?i)sess(?:ion)?_?id|connect\.sid", r"(?i)(?:phpsessid|jsessionid|asp\.net_sessionid|session_?id|connect\.sid)[\"']?\s{0,2}[=:]\s{0,2}[\"']?", r"[0-9A-Za-z%._-]{24,}", is_random),
    ),
    _HEADER_SCORE,
)  # fmt: skip
_FILES = led(
    (
        ("docker_auth", r"\"auth\"", r"\"auth\"\s{0,4}:\s{0,4}\"", _BASE64, holds_credentials),
        ("npmrc_auth", r"_auth", r"(?i)_auth(?:token)?[\"']?\s{0,2}[=:]\s{0,2}[\"']?", r"[0-9A-Za-z+/_-]{12,}={0,2}", _encoded_or_random),
        ("npmrc_password", r"_password", r":_password\s{0,2}=\s{0,2}\"?", r"[0-9A-Za-z+/]{8,}={0,2}", None),
        ("gradle_or_maven_password", r"(?i)<(?:server)?passw", r"(?i)<(?:server)?password>", r"\{?[0-9A-Za-z+/]{20,}={0,2}", None),
        ("braintree_token", r"access_token\$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$", r"[0-9a-f]{32}", None),
        ("salesforce_token", r"00D", r"00D[0-9A-Za-z]{12,15}!", r"[0-9A-Za-z._-]{80,}", None),
        ("okta_ssws_token", r"(?i)ssws\s", r"(?i)\bssws\s{1,2}", r"00[0-9A-Za-z_-]{40}", None),
        ("encoded_password", r"(?i)<pass", r"(?i)<pass(?:word)?\s[^<>]{1,40}>", r"[0-9A-Za-z+/]{6,200}={0,2}", None),
        ("azure_app_configuration_secret", r"(?i)\.azconfig\.io", r"(?i)azconfig\.io;id=[^;\s]{1,40};secret=", r"[0-9A-Za-z+/]{40,120}={0,2}", None),
        ("truenas_key", r"-[0-9A-Za-z]{64}", r"(?i)(?:bearer\s{1,2}|auth\.login_with_api_key[^\]]{1,40}\[\s{0,8}\"|(?:true|free)nas[0-9a-z_ -]{0,20}[\"']?[:=\s]{1,3}[\"']?)", r"[0-9]{1,4}-[0-9A-Za-z]{64}", None),
        ("base64_private_key", r"LS0tLS1CRUdJTi", r"", r"LS0tLS1CRUdJTi[0-9A-Za-z+/]{0,60}(?:UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|gUFJJVkFURSBLRVk|QUklWQVRFIEtFW)[0-9A-Za-z+/=]{20,}", None),
        ("hashicorp_vault_unseal_key_argument", r"unseal", r"unseal\s{1,3}[\"']?", r"[0-9A-Za-z+/]{43}[0-9A-Za-z+/=]", None),
        ("rails_master_key", r"(?i)rails_master_key|master\.key", r"(?i)(?:rails_master_key|master\.key)[\"']?\s{0,2}[=:]?\s{0,2}[\"']?", r"[0-9a-f]{32}", None),
        ("jenkins_admin_password", r"initialAdminPassword|generated:|proceed to installation:", r"(?s)(?:password generated[^0-9a-f]{0,4}(?:Please use the following password to proceed to installation:)?\s{1,6}|proceed to installation:\s{1,6}|initialAdminPassword[^0-9a-f]{1,20})", r"[0-9a-f]{32}", None),
        ("terraform_state_secret", r"(?i)\"sensitive_", r"(?i)\"sensitive_[a-z_]{1,30}\"\s{0,2}:\s{0,2}\"", r"[0-9A-Za-z+/_-]{16,}", is_random),
    )
)  # fmt: skip
_SALT = r"[./0-9A-Za-z=+-]{1,32}"
_HASHES = led(
    (
        ("password_hash_md5crypt", r"\$(?:1|apr1)\$", rf"\$(?:1|apr1)\${_SALT}\$", _HASH64 + r"{22}", None),
        ("password_hash_bcrypt", r"\$2[abxy]\$", r"\$2[abxy]\$[0-9]{2}\$", _HASH64 + r"{53}", None),
        ("password_hash_sha256crypt", r"\$5\$", rf"\$5\$(?:rounds=[0-9]{{3,9}}\$)?{_SALT}\$", _HASH64 + r"{43}", None),
        ("password_hash_sha512crypt", r"\$6\$", rf"\$6\$(?:rounds=[0-9]{{3,9}}\$)?{_SALT}\$", _HASH64 + r"{86}", None),
        ("password_hash_yescrypt", r"\$g?y\$", rf"\$g?y\$[./0-9A-Za-z]{{2,12}}\${_SALT}\$", _HASH64 + r"{43}", None),
        ("password_hash_argon2", r"\$argon2", r"\$argon2(?:id|i|d)\$(?:v=[0-9]+\$)?[a-z0-9=,]{5,30}\$[0-9A-Za-z+/]{8,24}\$", r"[0-9A-Za-z+/]{22,86}={0,2}", None),
        ("password_hash_phpass", r"\$[PH]\$", r"\$[PH]\$", _HASH64 + r"{31}", None),
        ("password_hash_cisco", r"\$[89]\$", r"\$[89]\$[./0-9A-Za-z]{14}\$", _HASH64 + r"{43}", None),
        ("password_hash_pbkdf2", r"pbkdf2", r"pbkdf2[_:-]?sha(?:1|256|512)[$:][0-9]{3,8}[$:][0-9A-Za-z+/=]{4,32}[$:]", r"[0-9A-Za-z+/]{27,88}={0,2}", None),
        ("password_hash_ldap", r"\{S?S(?:HA|MD5)", r"\{(?:SSHA|SHA|SSHA256|SSHA512|SMD5)\}", r"[0-9A-Za-z+/]{20,120}={0,2}", None),
        ("password_hash_kerberos", r"\$krb5", r"\$krb5(?:asrep|tgs)\$[0-9]{2}\$[^\s]{1,48}[$:](?:[0-9a-fA-F]{32}\$)?", r"[0-9a-fA-F]{32,}", None),
        ("password_hash_mysql", r"\*[0-9A-F]{4}", r"[\s'\"]\*", r"[0-9A-F]{40}", None),
        ("password_hash_ntlm", r":::", r":[0-9]{3,6}:", r"[0-9a-fA-F]{32}:[0-9a-fA-F]{32}", None),
    )
)  # fmt: skip


def _find_last(lead: str, value: str) -> Callable[[Callable[[str], bool]], Spans]:
    """A ``find`` that reads its value, the last group of ``value``, behind a ``lead`` that stood before the match."""
    stood, reads = re2.compile(lead), re2.compile(value)

    def with_test(valid: Callable[[str], bool]) -> Spans:
        def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
            match = reads.match(text[start:end])
            if match is not None and valid(match[1]) and stood.search(before(text, start)) is not None:
                yield start + match.start(1), start + match.end(1)

        return find

    return with_test


def _combination(value: str) -> bool:
    """A password behind an address, not a path or a port: it has a digit or a sign, and no slash."""
    return is_password(value) and not value.isdigit() and not value.isalpha() and "/" not in value and "." not in value


_ARGUMENT = re2.compile(r"[\"']([^\"'\n]{1,100})[\"']")


def _last_argument(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The last of two or more literal arguments: ``NetworkCredential("user", "password")``."""
    arguments = list(_ARGUMENT.finditer(text[start:end]))
    if len(arguments) > 1 and is_password(arguments[-1][1]) and " " not in arguments[-1][1]:
        yield start + arguments[-1].start(1), start + arguments[-1].end(1)


_PUTTY_LINE = r"(?:\r?\n[0-9A-Za-z+/=]*)"
_ANY = r"((?s:.))?"
_DASH_U = rf"\B--?u(?:ser)?\b(?:[ =][\"']?(?:[^\s\"':]{{0,64}}(?::[^\s\"']{{0,128}})?)?)?{_ANY}"
_DASH_P = rf"\B-p(?:[ =]?[\"']?[^\s\"']{{0,128}})?{_ANY}"
_OBJECTS = (
    "NetworkCredential|DirectoryEntry|PSCredential|UsernamePasswordCredentials?|HTTPBasicAuth|BasicAWSCredentials|PasswordAuthentication|"
    "AuthCredentials|ClientSecretCredential|setBasicAuth|withBasicAuth|basicAuth|mysqli_connect|pg_connect|getConnection"
)
_COMMANDS = (
    Detector(
        name="command-user",
        kind="credential_leak",
        pattern=_DASH_U,
        trigger=r"\B--?u(?:ser)?\b",
        find=_find_last(
            r"(?is)\b(?:curl|wget|https?|smbclient|invoke-\w+)\b",
            r"--?u(?:ser)?[ =][\"']?[^\s\"':]{1,64}:([^\s\"']{4,128})",
        )(is_password),
        base_score=0.85,
        open_ended_chars=1,
    ),
    Detector(
        # The command may stand far before; a client's number and its long secret need none.
        name="command-client",
        kind="credential_leak",
        pattern=_DASH_U,
        trigger=r"\B--?u(?:ser)?\b",
        find=_find_last(r"[\s'\"]$", r"--?u(?:ser)?[ =][\"']?[^\s\"':]{4,64}:([0-9A-Za-z_.~+/=-]{20,128})")(is_random),
        base_score=0.8,
        open_ended_chars=1,
    ),
    Detector(
        name="command-password",
        kind="secret.password",
        pattern=_DASH_P,
        trigger=r"\B-p",
        find=_find_last(
            r"(?is)\b(?:sshpass|psexec\w*|docker\s+login|(?:podman|az|oc|helm)\s.{0,20}login|winexe|rdesktop|xfreerdp)\b",
            r"-p[ =]?[\"']?([^\s\"']{4,128})",
        )(is_password),
        base_score=0.8,
        open_ended_chars=1,
    ),
    Detector(
        name="mysql-password",
        kind="secret.password",
        pattern=_DASH_P,
        trigger=r"\B-p",
        find=_find_last(r"(?i)\b(?:mysql|mariadb)\w*\s", r"-p[\"']?([^\s\"'=-][^\s\"']{3,128})")(
            lambda value: is_password(value) and not value.isdigit()
        ),
        base_score=0.8,
        open_ended_chars=1,
    ),
    Detector(
        name="credential-object",
        kind="credential_leak",
        pattern=rf"(?:{_OBJECTS})(?:\([^)]{{0,240}})?{_ANY}",
        trigger=rf"(?:{_OBJECTS})",
        find=_last_argument,
        base_score=0.85,
        open_ended_chars=1,
    ),
    Detector(
        name="putty-private-key",
        kind="secret.private_key",
        # The file's header and public part come first; the footer is its code of authentication.
        pattern=(rf"Private-Lines:(?: ?[0-9]{{0,4}}(?:{_PUTTY_LINE}*?(\r?\nPrivate-(?:MAC|Hash):)|{_PUTTY_LINE}*))?"),
        trigger="Private-Lines:",
        base_score=0.95,
        open_ended_chars=80,
    ),
    Detector(
        name="pgpass-line",
        kind="credential_leak",
        pattern=rf":[0-9]{{4,5}}:(?:[0-9A-Za-z_*-]{{0,64}}(?::[0-9A-Za-z_.*-]{{0,64}}(?::[^\s:]{{0,100}})?)?)?{_ANY}",
        trigger=r":[0-9]{4,5}:",
        find=_find_last(
            r"(?:^|\n|\s)[0-9A-Za-z.*-]{1,60}$",
            r":[0-9]{4,5}:[0-9A-Za-z_*-]{1,64}:[0-9A-Za-z_.*-]{1,64}:([^\s:]{4,100})(?:\s|$)",
        )(is_password),
        base_score=0.85,
        open_ended_chars=1,
    ),
    Detector(
        name="combination-list",
        kind="credential_leak",
        pattern=rf"@[0-9A-Za-z.-]{{1,64}}\.[A-Za-z]{{2,12}}[:;|][^\s:;|]{{0,64}}{_ANY}",
        trigger=r"@[0-9A-Za-z.-]+[:;|]",
        find=_find_last(
            r"(?:^|[\s,;\"'])[0-9A-Za-z._%+-]{1,60}$", r"@[0-9A-Za-z.-]+\.[A-Za-z]{2,12}[:;|]([^\s:;|]{6,64})(?:\s|$)"
        )(_combination),
        base_score=0.85,
        open_ended_chars=1,
    ),
)

DETECTORS = (*_HEADERS, *_FILES, *_HASHES, *_COMMANDS)
