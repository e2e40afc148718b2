import pytest

from outpost.dlp.detectors.secrets_urls import DETECTORS
from outpost.dlp.engine import Engine

ENGINE = Engine(DETECTORS)
STORE, URL = "secret.connection_string", "secret.url_credentials"


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("postgres://app:s3cr3t@db.corp.example:5432/x", STORE, "app:s3cr3t"),
        ("postgresql+psycopg://app:s3cr3t@db/x", STORE, "app:s3cr3t"),
        ("jdbc:mysql://app:Tr0ub4dor!x@db/x", STORE, "app:Tr0ub4dor!x"),
        ("mongodb+srv://u1:p%40ss#9x@cluster0.example.net/?w=1", STORE, None),
        ("mongodb+srv://u1:p%40ss$9x@cluster0.example.net/?w=1", STORE, "u1:p%40ss$9x"),
        ("REDIS_URL=redis://:hunter22@cache:6379/0", STORE, ":hunter22"),
        ("amqps://svc:hunter22@queue.example/vhost", STORE, "svc:hunter22"),
        ("mssql://sa:Yukon900@db", STORE, "sa:Yukon900"),
        ("ldaps://cn=admin:hunter22@dir.example", STORE, "cn=admin:hunter22"),
        ("postgres://bob:password@db/prod", STORE, "bob:password"),
        ("https://bob:hunter22@git.example/org/repo.git", URL, "bob:hunter22"),
        ("ftp://bob:hunter22@ftp.example", URL, "bob:hunter22"),
    ],
)
def test_found(text, kind, found):
    spans = [(f.kind, text[f.start : f.end]) for f in ENGINE.scan(text)]
    # "#" begins a fragment: such a password must be escaped in a URL (RFC 3986 3.2.1).
    assert spans == ([(kind, found)] if found else [(kind, text.partition("://")[2].partition("@")[0])])


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a:b@c", "http://localhost:8080/@fs/x", "postgres://user:password@host/db", "https://user:pass@example.org",
        "postgres://app:${DB_PASSWORD}@db", "postgres://app:<password>@db", "redis://:****@cache", "redis://cache:6379/0",
        "postgres://app:{password}@db", "mysql://app:[REDACTED:secret.password]@db", "https://bob@example.org", "://a:hunter22@b",
        "see https://example.org: it is good @ noon", "mongodb://user:changeme@db", "git@github.com:org/repo.git",
    ],
)  # fmt: skip
def test_near_misses(text):
    assert ENGINE.scan(text) == []
