"""Every table of the control plane. Changing one needs a migration; a test compares the two.

Secrets rest only wrapped (``control_plane/keyring.py``) or hashed: columns named ``wrapped``, ``digest``,
``password_hash`` and ``secret_sha256`` say which.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Utc(TypeDecorator[datetime]):
    """Aware UTC datetimes on every database; SQLite alone would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; a naive time is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _org() -> Column[Any]:
    return Column("org_id", String(63), ForeignKey("orgs.id"), nullable=False)


def _outpost(*, primary_key: bool = False, index: bool | None = None) -> Column[Any]:
    return Column(
        "outpost_id", String(63), ForeignKey("outposts.id"), nullable=False, primary_key=primary_key, index=index
    )


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("trust_domain", String(255), nullable=False),
    Column("server_names", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
)

orgs = Table(
    "orgs",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("created_at", Utc, nullable=False),
    Column("secrets_version", Integer, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String(63), primary_key=True),
    _org(),
    Column("name", String(254), nullable=False, unique=True),
    Column("role", String(32), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("created_at", Utc, nullable=False),
)

org_secrets = Table(
    "org_secrets",
    metadata,
    Column("org_id", String(63), ForeignKey("orgs.id"), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("id", String(63), primary_key=True),
    _org(),
    Column("name", String(128), nullable=False),
    Column("prefix", String(40), nullable=False),
    Column("pepper_id", String(63), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("group_name", String(63), nullable=False),
    Column("allowed_models", JSON, nullable=False),
    Column("allowed_networks", JSON),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("revoked_at", Utc),
)

tuf_metadata = Table(
    "tuf_metadata",
    metadata,
    Column("org_id", String(63), ForeignKey("orgs.id"), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)

tuf_targets = Table(
    "tuf_targets",
    metadata,
    Column("org_id", String(63), ForeignKey("orgs.id"), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)

tuf_heads = Table(
    "tuf_heads",
    metadata,
    Column("org_id", String(63), ForeignKey("orgs.id"), primary_key=True),
    Column("audience", String(16), primary_key=True),
    Column("snapshot_version", BigInteger, nullable=False),
    Column("timestamp_version", BigInteger, nullable=False),
)

outposts = Table(
    "outposts",
    metadata,
    Column("id", String(63), primary_key=True),
    _org(),
    Column("name", String(63), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("enrolled_at", Utc),
    Column("revoked_at", Utc),
    Column("hpke_public_key", LargeBinary),
    Column("audit_public_key", LargeBinary),
    Column("recovery_approved_at", Utc),
    UniqueConstraint("org_id", "name"),
)

outpost_labels = Table(
    "outpost_labels",
    metadata,
    _outpost(primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("value", String(63), nullable=False),
)

canaries = Table(
    "canaries",
    metadata,
    Column("org_id", String(63), ForeignKey("orgs.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("audience", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),
)

canary_members = Table(
    "canary_members",
    metadata,
    Column("org_id", String(63), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    _outpost(primary_key=True),
    Column("served_at", Utc),
    ForeignKeyConstraint(["org_id", "version"], ["canaries.org_id", "canaries.version"]),
)

enrolment_tokens = Table(
    "enrolment_tokens",
    metadata,
    Column("secret_sha256", LargeBinary(32), primary_key=True),
    _outpost(),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("spent_at", Utc),
    Column("certificate_sha256", LargeBinary(32)),
    Column("replays", Integer, nullable=False, server_default="0"),
    Column("last_replay_at", Utc),
)

certificates = Table(
    "certificates",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    _outpost(index=True),
    Column("serial", String(40), nullable=False, unique=True),
    Column("spki_sha256", LargeBinary(32), nullable=False, index=True),
    Column("der", LargeBinary, nullable=False),
    Column("not_after", Utc, nullable=False),
    Column("issued_at", Utc, nullable=False),
    Column("revoked_at", Utc),
    Column("authority", String(80), nullable=False, server_default="intermediate"),
)

crls = Table(
    "crls",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    Column("issued_at", Utc, nullable=False),
    Column("revoked_count", Integer, nullable=False),
    Column("authority", String(80), nullable=False, server_default="intermediate"),
)

authorities = Table(
    "authorities",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("issuer", String(80), nullable=False),
    Column("certificate_der", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("cross_der", LargeBinary),
    Column("retired_at", Utc),
)

trust = Table(
    "trust",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False),
)

identity_events = Table(
    "identity_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("outpost_id", String(63), index=True),
    Column("detail", JSON, nullable=False),
)

outpost_status = Table(
    "outpost_status",
    metadata,
    _outpost(primary_key=True),
    Column("received_at", Utc, nullable=False),
    Column("sent_at", Utc, nullable=False),
    Column("outpost_version", String(64), nullable=False),
    Column("snapshot_version", BigInteger),
    Column("applied_at", Utc),
    Column("refused_version", BigInteger),
    Column("refused_reason", String(1024)),
    Column("audit_size", BigInteger, nullable=False),
    Column("audit_delivered", BigInteger, nullable=False),
    Column("certificate_sha256", String(64)),
    Column("trust_generation", BigInteger),
    Column("instance_id", String(64)),
    Column("earlier_instances", JSON, nullable=False, server_default="[]"),
    Column("cloned_at", Utc),
    Column("authority", String(80)),
)

audit_receipts = Table(
    "audit_receipts",
    metadata,
    _outpost(primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
)

audit_events = Table(
    "audit_events",
    metadata,
    _outpost(primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("event", LargeBinary),  # NULL: the outpost lost its bytes; the leaf hash still proves its place
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("received_at", Utc, nullable=False),
)
