r"""Passwords and secrets by what they are called: assignments in code, settings, command lines, markup and prose.

One pattern reads name, sign and value; it may stop anywhere at the end of a text (every part is optional), and its
group 1 is the character behind the value, so a stream knows when it is decided. ``find`` decides whether the value is a
secret: how it is written (quoted, bare, in prose) and how unlike a word it is (``rarity.py``). References, types, calls
and examples are refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import Detector
from outpost.dlp.detectors.secret_format import Spans
from outpost.dlp.placeholders import is_placeholder, looks_typed
from outpost.dlp.rarity import bits_per_sign, entropy

# English, German, French (mot de passe, mdp), Spanish, Italian, Portuguese, Dutch.
_PERSONAL = (
    r"passw(?:or)?d|passwort|securestring|kennwort|passphrase|passcode|zugangscode|(?-i:pwd|Pwd|PWD)|contrase(?:\xf1|n)a|"
    r"wachtwoord|(?:\b|_)(?:pass|"
    r"pw|passe|mdp|senha|clave|parola)\b"
)
_KEYS = (
    r"(?:api|access|auth|account|private|encrypt(?:ion)?|sign(?:ing)?|signature|master|shared|app|service|secure|"
    r"secret|client)"
)
_SECRET = (
    rf"(?:secret|token)(?:[ _-](?:key|token)\b)?|{_KEYS}[_-]?key|credential|\bkey\b|[_-](?:key|salt|secret|auth)\b|"
    r"(?-i:[a-z](?:Key|KEY)\b)"
)
_TAIL = r"(?:[_.-]?[0-9A-Za-z]+){0,6}"
_CLOSE = r"(?:\\{0,3}[\"'`][)\]]{0,2}|[)\]]{0,2})"
_TYPE = r"(?::\s{0,2}(?i:str|string|secretstr)\b)?"
_VERB = r"(?:(?i:is|was|ist|lautet|war|est|es|era)\b|[\xe8\xe9\xc8\xc9])(?:\s{0,2}(?::|now\b|jetzt\b))?"
_SIGN = rf"\s{{0,8}}(?:=>|:=|->|={{1,3}}|::?|[>(]|{_VERB})\s{{0,8}}"
_OPEN = r"(?:(?i:value\b\s{0,3}=?\s{0,3}|bearer\s{1,3}))?[(\[{]?\\{0,3}"
# Up to four words in quotes. Without bounds on their length: those would multiply RE2's states.
_QUOTED = "|".join(rf"[bruf]?{q}[^{q}\s]*(?: [^{q}\s]*){{0,3}}{q}?" for q in "\"'`")
_VALUE = rf"(?:{_QUOTED}|(?:[^\s\"'`<>;-][^\s\"'`<>;]*)?)"
# define('DB_PASSWORD', 'x'); or blanks only: password x, <add key="Password" value="x">
_GAP = r"[\"'`][)\]]{0,2},\s{0,16}"
_BLANKS = r"\s{1,4}(?:(?i:value)=)?"
_REST = rf"{_TAIL}(?:{_GAP}(?:{_QUOTED})?|{_CLOSE}{_TYPE}(?:{_SIGN}{_OPEN}{_VALUE}|{_BLANKS}{_VALUE})?)"
# A hyphen behind the value is left out: a private key's header begins with one, and may be released before it ends.
_BEHIND = r"([^-])?"
_PASSWORDS = rf"(?i:{_PERSONAL}){_REST}{_BEHIND}"
_SECRETS = rf"(?i:{_SECRET}){_REST}{_BEHIND}"
# The readings of a match: a sign, a comma, or blanks only between name and value.
_NAME = rf"((?i:{_PERSONAL})|(?i:{_SECRET}))({_TAIL})"
_COMMA = re2.compile(rf"{_NAME}({_GAP})({_QUOTED})")
_SIGNED = re2.compile(rf"{_NAME}{_CLOSE}{_TYPE}({_SIGN}){_OPEN}({_VALUE})")
_BLANK = re2.compile(rf"{_NAME}{_CLOSE}{_TYPE}({_BLANKS})({_VALUE})")
# "the password for the staging server is x": a detector of its own, open until the words are no such sentence.
_FOR = r"\s(?i:for|of|to|on|f\xfcr|vom|von|pour|de|para|per|di)"
_WORD = r"\s[^\s:=,;]"
_FOR_VALUE = rf"(?:{_WORD}{{1,24}}){{1,4}}?{_SIGN}{_OPEN}{_VALUE}{_BEHIND}"
_NAMED_FOR = rf"(?i:{_PERSONAL}|{_SECRET}){_TAIL}{_FOR}(?:{_FOR_VALUE}|(?:{_WORD}{{1,24}}){{0,4}}\s?)"
_FOR_SIGNED = re2.compile(rf"{_NAME}{_FOR}(?:{_WORD}{{1,24}}){{1,4}}?({_SIGN}){_OPEN}({_VALUE})")
_IS_PASSWORD = re2.compile(rf"(?i:{_PERSONAL})")

# Names of things that belong to a secret and are none: password_file, token_type, PublicKeyToken, max_tokens.
_OTHER_NAME = re2.compile(
    r"(?i)^(?:[_.-]?(?:name|id|ids|url|uri|file|path|dir|field|length|len|size|type|kind|expir\w*|count|policy|"
    r"prompt|label|error|"
    r"regexp?|pattern|placeholder|header|endpoint|hint|hash\w*|alg\w*|version|index|ttl|min|max|limit|strength|"
    r"reset|manager|"
    r"confirm\w*|again|input|form|title|text|desc\w*|message|status|required|enabled|valid\w*|check\w*|provider|"
    r"store|ref|arn|"
    r"selector|column|rules?|usage|s_?per\w*|iz\w*|list|class|env|var)s?$|ed$|ing$|less$|ary$|aries$|iz)"
)
_OTHER_BEFORE = re2.compile(
    r"(?:(?:^|[^A-Za-z])(?i:public|publickey|max|min|num|total|next|page|csrf|xsrf|continuation|sync|cancel\w*|"
    r"stop|pad|eos|bos|unk|"
    r"mask|special|foreign|primary|sort|partition|hash|cache|object|storage|lookup|composite|unique|index|row|map|"
    r"dict|group|no|"
    r"without|forgot|change|reset|input|s3|bucket|answer|old|each|every|any|shift|arrow|enter|escape)|"
    r"[a-z](?:Public|PublicKey|Max|Min|Next|Page|Csrf|Xsrf|Cache|Sort|Partition|Primary|Foreign|Cancellation|Sync))"
    r"[_.\s-]{0,2}(?:[Aa]pi[_-])?$"
)
_KEY_BEFORE = re2.compile(
    r"(?i)(?:api|access|auth\w*|account|private|encryption|signing|master|shared|secret|client|app|service|"
    r"license|admin)[ ]?$"
)
# A vendor's name may be any word, but these have keys that are public or none.
_ANY_KEY_BEFORE = re2.compile(r"(?:^|[^0-9A-Za-z])([A-Za-z][0-9A-Za-z]{2,24})(?:[ _.:-]|[\"']?\]?\[[\"']?)$")
_KEY_OF_OTHERS = re2.compile(
    r"(?i)(?:gpg|pgp|ssh|apt|rsa|deploy|repo\w*|registry|verif\w*|host|by|with|this|that|its|same|and|for|dedup\w*|idempotency|routing|message|record|document|doc|i18n|react|trace|track\w*)$"
)
_CHECKSUM = re2.compile(r"(?i)\b(?:md\d|sha\d{1,3}(?:-\d+)?|blake\w*|rmd160|sm3|whirlpool)\s?\([^)]*$")
# What stands where a secret would: references, types, nothing.
_REFERENCE = re2.compile(
    r"(?i)^(?:[$%{<*@&!#~.+,)|]|\[|\\|\.\.|--|/|https?:|process\.|os\.|env[.(]|self\.|this\.|config|settings|args|"
    r"request|response|"
    r"req\.|params|props|options|data\.|user\.|var\.|local\.|module\.|secrets?[.\[]|vault|ssm:|arn:|get|read|load|"
    r"input|prompt|"
    r"new |await |function|lambda|return|import|from |sha\d+[:-]|type\w*\.|string|bool|int\b|varchar|text\b|"
    r"char\b|null|nil|"
    r"none|secretstr|bytes\b|bytearray|any\b|object\b|number\b|undefined|true|false|required|optional|nullable|empty|hidden|masked|secret$|token$|"
    r"pass(?:word|wd|phrase)?\d{0,3}$|"
    r"default$|unset|missing|invalid|value|test$|foo|bar$|baz$|n/a|tbd|todo|yes$|no$|x{2,}$|x{4,}|the\b|your|my[_-]|a$)"
)
# Names of variables; and values that begin or end as a vendor's keys do: its detector would have taken a whole one.
_OTHER_VALUE = re2.compile(
    r"^[A-Z]+(?:_[A-Z]+)+$|^(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|xapp-|A[KS]IA[0-9A-Z]{8}|AIza|[spr]k_(?:live|test)_|sk-(?:ant|proj|svcacct)-|"
    r"SG\.|npm_|pypi-|do[opr]_v1_|sq0[a-z]{3}-|shp[a-z]{2}_|ya29\.|GOCSPX-|dapi[0-9a-f]{8}|"
    r"NR(?:AK|JS|I[ITQR])-|px-(?:api|dep)-|tskey-|pul-|lin_api_|figd_|gsk_|hf_|nvapi-|xai-|r8_|dckr_pat_|CCIPAT_)|NRAL$"
)
_PATH = re2.compile(r"^[A-Za-z_$][0-9A-Za-z_$]*(?:(?:\.|->|::)[A-Za-z_$][0-9A-Za-z_$]*)*[)\]}.,:]*$")
_CALL = re2.compile(r"^[0-9A-Za-z_$.:>-]*[(\[{]")
_HEX = re2.compile(r"^[0-9a-fA-F-]+$")
_UUID = re2.compile(r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_ID_KEY = re2.compile(r"^(?:[_-]|[a-z])?[Kk][Ee][Yy]$")
_FINGERPRINT = re2.compile(r"^[0-9A-F]+$")
_PHRASE, _MIN_PHRASE = re2.compile(r"^[0-9A-Za-z]+[#!@%^&*][0-9A-Za-z!#@%^&*]+$"), 12
_GROUP = re2.compile(r"\(\?P?<[a-z_]{0,20}$")  # of a regular expression
_MOST = 0.7
_UNPACKED = re2.compile(r"[0-9A-Za-z_],\s?$")  # user, password = …
_HUMPS = re2.compile(r"[A-Z][a-z]{2,}")
_REFERRED = re2.compile(r"^[0-9A-Za-z_.:()\[\]{}>%-]*$")
_PREFIXED = re2.compile("^[bruf][\"'`]")
_TRAILING = ".,:;?)]}|\\"
_LOGIN = re2.compile(
    r"(?i)(?:user(?:[ _-]?(?:name|id))?|login|e-?mail|account|uid|usuario|utilisateur|utente|benutzer(?:name)?|"
    r"gebruiker|"
    r"identifiant)[\"'`]{0,2}\s{0,2}(?:[:=>]|is|ist|est|"
    r"es)?\s{0,3}[\"'`]?([0-9A-Za-z._@+\\-]{2,64})[\"'`]?[^0-9A-Za-z]{1,12}"
    r"[0-9A-Za-z_ -]{0,12}$"
)
# The shortest name, a sign and the shortest value.
_MIN_MATCH = 8
_MIN_PASSWORD, _MIN_TOKEN, _MAX_PASSWORD = 4, 8, 128
# Below: words. Above: one sign in a hundred random strings of 16 is likelier (bench/train_rarity.py).
_RANDOM_BITS = 4.7
_RANDOM_ENTROPY = 3.0
# Letters and signs that no label or reference has: salts and keys of frameworks.
_MIN_SALT, _SALT_ENTROPY = 32, 4.0
_MIN_BARE = 20  # without a sign between: random ones are longer than words
# Places where the value is a value whatever it looks like: .netrc, connection strings, query strings.
_FLAG = re2.compile(r"(?:^|[\s\"'`(])--?(?:[a-z0-9]+-){0,3}$")
_FORMAL = re2.compile(
    r"(?i)\blogin \S{1,40}\s{1,8}$|(?:uid|user(?: ?id| ?name)?|server|data ?source|database|initial catalog|host|"
    r"dsn|driver|port)\s?="
    r"[^;\n]{1,40};[\s\"'&+]{0,6}[a-z_ ]{0,8}$|[?&][a-z_]{0,12}$|\bdefine\(\s?[\"'][a-z_]{0,24}$"
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A name, what stands between it and a value, and the value with its place."""

    password: bool
    name: str
    tail: str
    sign: str
    value: str
    start: int
    quoted: bool
    whole: bool  # the bare value ends its line, or an element


def read(text: str, start: int, end: int) -> Assignment | None:
    """The assignment that the match ``text[start:end]`` is; None if it has no value."""
    piece = text[start:end]
    match = (
        _SIGNED.match(piece)
        or ("," in piece and _COMMA.match(piece))
        or _FOR_SIGNED.match(piece)
        or _BLANK.match(piece)
    )
    if match is None:
        return None
    name, tail, sign, value = match.groups()
    sign = "=" if "value" in sign.lower() else sign.strip().strip("\"'`")
    at = start + match.start(4)
    if _PREFIXED.match(value) is not None:  # f"…", r'…'
        value, at = value[1:], at + 1
    quote = value[:1] if value[:1] in "\"'`" else ""
    if quote:
        value = value[1:].removesuffix(quote).removesuffix("\\")
        at += 1
    behind = piece[match.end(4) : match.end(4) + 1]
    whole = (
        behind in {"", "\n", "\r"}
        or (behind == "<" and text[start + match.end(4) + 1 : start + match.end(4) + 2] == "/")
        or (sign == "=" and name.isupper())  # NAME=value of a shell or a settings file ends with a blank
    )
    inner = value[:1] if quote and value[:1] in "\"'" and len(value) > 1 else ""
    if inner:  # '"value"' of build files
        value = value[1:].removesuffix(inner)
        at += 1
    if not quote:
        value = (value.split("&")[0] if sign == "=" else value).rstrip(_TRAILING)
    password = _IS_PASSWORD.match(name) is not None
    return Assignment(password, name, tail, sign, value, at, bool(quote), whole) if value else None


def is_random(value: str) -> bool:
    """Whether a machine made it: letters and digits mixed, and no sequence of words; or a digest's alphabet."""
    if entropy(value) < _RANDOM_ENTROPY:
        return False
    if not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return len(value) >= 2 * _MIN_TOKEN and value.isalpha() and bits_per_sign(value) > _RANDOM_BITS + 1
    return _HEX.match(value) is not None or bits_per_sign(value) > _RANDOM_BITS


def _plausible_password(a: Assignment, *, formal: bool) -> bool:
    value = a.value
    if not _MIN_PASSWORD <= len(value) <= _MAX_PASSWORD or value.count(" ") > 2 or value.lower() == a.name.lower():  # noqa: PLR2004
        return False
    if formal and not a.quoted and " " not in value and not a.sign.isalpha():
        return True
    digits = any(map(str.isdigit, value))
    letters = any(map(str.isalpha, value))
    signs = any(not c.isalnum() and c not in "-_. /" for c in value)
    if a.sign == "" or a.sign.isalpha() or not (a.quoted or a.sign in {"=", ":", ">", "=>", ":="}):
        # Prose: "my password is hunter2", "the passcode is 4921".
        if a.quoted:
            return " " not in value
        return (letters and (digits or signs) and len(value) > _MIN_PASSWORD) or (value.isdigit() and a.sign != "")
    if " " in value:
        return digits and signs
    if a.sign == ",":
        return digits or signs or formal
    if a.quoted:
        return digits or signs or not _sentence_like(value)
    if _PATH.match(value) is not None and not digits:
        return a.whole and len(value) > _MIN_PASSWORD and "." not in value
    return digits or (signs and letters) or a.whole


def _sentence_like(value: str) -> bool:
    """Labels and keys of messages: ``auth.password.label``, ``Password``."""
    return "." in value or "pass" in value.lower() or value.istitle()


def _plausible_token(a: Assignment) -> bool:
    value = a.value
    if a.quoted and len(value) > _MIN_SALT and entropy(value) > _SALT_ENTROPY and not value.isalpha():
        return is_random(value)
    if len(value) < _MIN_TOKEN or " " in value:
        return False
    if a.sign.isalpha() and not a.quoted and len(value) < 2 * _MIN_TOKEN:
        return False
    if a.sign == "" and not a.quoted and (len(value) < 2 * _MIN_TOKEN or _FINGERPRINT.match(value) is not None):
        return False
    if _UUID.match(value) is not None and _ID_KEY.match(a.name) is not None:
        return False  # of a row or an object, as far as anybody can say
    humps = _HUMPS.findall(value) if not a.quoted and value.isalnum() else ()
    if len(humps) > 2 and sum(map(len, humps)) > _MOST * len(value):  # noqa: PLR2004 - words of a type's name
        return False
    return is_random(value) or _made_up(value) or _pass_phrase(a)


def _pass_phrase(a: Assignment) -> bool:
    """Words joined by a sign that no label has, in quotes, and called a secret: ``secret: "winter#garden"``."""
    long = a.quoted and not a.tail and a.name.lower() == "secret" and len(a.value) >= _MIN_PHRASE
    return long and _PHRASE.match(a.value) is not None


def _surely_key(a: Assignment) -> bool:
    """Whether the value of something called a key can only be a secret: long, mixed, and no number of a public key."""
    public = a.value.startswith("AAAA") or a.value == a.value.upper() or _UUID.match(a.value) is not None
    return len(a.value) >= _MIN_BARE and a.tail == "" and not public


def _made_up(value: str) -> bool:
    """Letters and digits counted out on the keyboard for longer than a label is."""
    plain = value.replace("-", "").replace("_", "")
    if len(plain) < 2 * _MIN_TOKEN or not plain.isalnum() or plain.isalpha():
        return False
    return looks_typed(value) and (not plain.isdigit() or len(plain) >= _MIN_BARE)


def _named_otherwise(a: Assignment, lead: str) -> bool:
    if (
        _OTHER_NAME.match(a.tail) is not None
        or _OTHER_BEFORE.search(lead) is not None
        or _GROUP.search(lead) is not None
    ):
        return True
    if a.sign == "=" and not a.quoted and _UNPACKED.search(lead) is not None:
        return True
    if (a.sign == "(" and a.tail[:1] == ".") or "..." in a.value or a.value.startswith(("http://", "https://")):
        return True  # a method, what was cut, or an address
    return a.name.lower() == "token" and a.tail[:1] == "s"


def _secret(text: str, start: int, end: int, lead: str) -> Assignment | None:
    """The assignment of a secret at this match, ``lead`` being what stands before it; None if it is none."""
    if end - start < _MIN_MATCH:
        return None
    vague = text[start : start + 3].lower() == "key" and _KEY_BEFORE.search(lead) is None and not lead.endswith("--")
    if vague and ((other := _ANY_KEY_BEFORE.search(lead)) is None or _KEY_OF_OTHERS.match(other[1]) is not None):
        return None  # first, for the word is common
    a = read(text, start, end)
    if (
        a is None
        or _is_parameter(text, start, a)
        or (vague and not _surely_key(a))
        or not a.value.isprintable()
        or _named_otherwise(a, lead)
    ):
        return None
    if not a.password and _OTHER_VALUE.search(a.value) is not None:
        return None
    salt = a.quoted and len(a.value) > _MIN_SALT and entropy(a.value) > _SALT_ENTROPY
    formal = _FLAG.search(lead) is not None or _FORMAL.search(lead) is not None
    if is_placeholder(a.value, short=True, formal=formal) or _CHECKSUM.search(lead) is not None:
        return None
    if a.password and not formal and looks_typed(a.value) and len(a.value) >= _MIN_BARE:
        return None
    signed = (formal and a.value[0] in "#!@" and a.value[1:2].isalnum()) or (a.password and _strange(a.value))
    if not salt and not signed and _REFERENCE.match(a.value.lstrip("\"'`")) is not None:
        return None
    if not a.quoted and (_CALL.match(a.value) is not None or a.sign in {"(", ","}):
        return None
    if a.sign == "" and not (formal or _stands_bare(a, lead)):
        return None
    plausible = _plausible_password(a, formal=formal) if a.password else _plausible_token(a)
    return a if plausible else None


def _is_parameter(text: str, start: int, a: Assignment) -> bool:
    """Whether the name alone stands in brackets, as the parameter of a function does."""
    return text[max(0, start - 1) : start] == "(" and text[start + len(a.name) + len(a.tail)] == ")"


def _strange(value: str) -> bool:
    """A password that begins with a sign, as references do, but is none: letters, digits and more signs behind it."""
    rest = value[1:]
    mixed = any(map(str.isdigit, rest)) and any(map(str.isalpha, rest)) and rest[:1].isalnum()
    long = mixed and len(value) > _MIN_TOKEN and value[0] in "#!@$*%&"
    return long and (_REFERRED.match(rest) is None or (rest.isalnum() and not rest.isupper() and is_random(rest)))


def _stands_bare(a: Assignment, lead: str) -> bool:
    """Whether a value without a sign before it can be one."""
    if a.quoted and len(a.name) > len("_pass"):
        return True
    return "_" in a.tail or _LOGIN.search(lead) is not None or (not a.password and len(a.value) >= _MIN_BARE)


def _finder(accept: Callable[[str], bool]) -> Spans:
    """Finds the value of a secret if what stands before its name is accepted."""

    def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        lead = before(text, start)
        if accept(lead) and (a := _secret(text, start, end, lead)) is not None:
            yield a.start, a.start + len(a.value)

    return find


def _finder_for(*, password: bool) -> Spans:
    """Finds the value behind "for …", of a password or of another secret."""

    def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        a = _secret(text, start, end, before(text, start))
        if a is not None and a.password is password:
            yield a.start, a.start + len(a.value)

    return find


def _any(_: str) -> bool:
    return True


def _behind_login(lead: str) -> bool:
    return _LOGIN.search(lead) is not None


# The pattern stops at the end of a text only if it has not seen the character behind the value (group 1).
_OPEN_CHARS = 1

DETECTORS = (
    Detector(
        name="password/plausible",
        kind="secret.password",
        pattern=_PASSWORDS,
        trigger=rf"(?i:{_PERSONAL})",
        find=_finder(_any),
        base_score=0.75,  # behind a login, the next one has the span
        open_ended_chars=_OPEN_CHARS,
    ),
    Detector(
        name="password-for/plausible",
        kind="secret.password",
        pattern=_NAMED_FOR,
        trigger=rf"(?i:{_PERSONAL}|{_SECRET})",
        find=_finder_for(password=True),
        base_score=0.7,
        open_ended_chars=_OPEN_CHARS,
    ),
    Detector(
        name="secret-for/rarity",
        kind="secret.generic",
        pattern=_NAMED_FOR,
        trigger=rf"(?i:{_PERSONAL}|{_SECRET})",
        find=_finder_for(password=False),
        doubts=looks_typed,
        base_score=0.65,
        open_ended_chars=_OPEN_CHARS,
    ),
    Detector(
        name="credential-leak/plausible",
        kind="credential_leak",
        pattern=_PASSWORDS,
        trigger=rf"(?i:{_PERSONAL})",
        find=_finder(_behind_login),
        base_score=0.8,
        open_ended_chars=_OPEN_CHARS,
    ),
    Detector(
        name="generic-secret/rarity",
        kind="secret.generic",
        pattern=_SECRETS,
        trigger=rf"(?i:{_SECRET})",
        find=_finder(_any),
        doubts=looks_typed,
        base_score=0.65,  # under what a vendor's format scores for the same span
        open_ended_chars=_OPEN_CHARS,
    ),
)
