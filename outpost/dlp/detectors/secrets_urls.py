"""Credentials in URLs: ``scheme://user:password@host``. The finding is the user and the password.

Each "://" is a match, up to the character that ends the part before the host (group 1), so that a password of any signs
is read the same in a stream.
"""

from collections.abc import Iterator

import re2

from outpost.dlp.before import before, without_markers
from outpost.dlp.detector import Detector
from outpost.dlp.detectors.secret_format import Spans
from outpost.dlp.placeholders import is_placeholder

_PATTERN = r"://[^\s:/@\"'<>?#]{0,128}(?::[^\s\"'<>@]{0,256})?([\s\"'<>/@?#])?"
# Data bases, caches, queues and directories; drivers may stand before "+", after "jdbc:".
_STORES = re2.compile(
    r"(?i)(?:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|valkey|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|cassandra|"
    r"couchbases?|couchdb|neo4j|bolt|elasticsearch|kafka|nats|memcached|snowflake|redshift|db2|firebird|influxdb|rabbitmq|"
    r"ldaps?|smtps?|imaps?|pop3s?|mqtts?|stomp|rethinkdb|arangodb|trino|presto|hive|vertica|teradata)(?:\+[a-z0-9]+)?$"
)
_MIN_PASSWORD = 3
_SCHEME = re2.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}$")
# A reference or a mask, and names that stand for themselves when they stand together (``user:password``).
_REFERENCE = re2.compile(r"^[${<\[(*.]|^x+$")
_USERS = frozenset({"", "user", "username", "usr", "name", "login", "id", "u", "foo", "my_user", "myuser"})
_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "pw", "token", "p", "bar", "mypassword"})


def _is_example(user: str, password: str) -> bool:
    lowered = password.lower()
    if not password or _REFERENCE.match(lowered) is not None:
        return True
    if lowered in _PASSWORDS:
        return user in _USERS
    return len(password) < _MIN_PASSWORD or is_placeholder(password, short=True)


def _reads(*, store: bool) -> Spans:
    def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        if text[end - 1] != "@":
            return
        user, _, password = without_markers(text[start + 3 : end - 1]).partition(":")
        scheme = before(text, start)
        if _SCHEME.search(scheme) is None or _is_example(user.lower(), password):
            return
        if password.partition("/")[0].isdigit() and "/" in password:
            return  # a port, and an @ in the path
        if not store and text[end : end + 1] in {"", "/"}:
            return  # no host
        if (_STORES.search(scheme) is not None) is store:
            yield start + 3, end - 1

    return find


DETECTORS = (
    Detector(
        name="connection-string",
        kind="secret.connection_string",
        pattern=_PATTERN,
        trigger="://",
        find=_reads(store=True),
        base_score=0.95,
        open_ended_chars=1,
    ),
    Detector(
        name="url-credentials",
        kind="secret.url_credentials",
        pattern=_PATTERN,
        trigger="://",
        find=_reads(store=False),
        base_score=0.9,
        open_ended_chars=1,
    ),
)
