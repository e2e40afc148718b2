"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from control_plane.store.tables import Utc

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "crls",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", Utc(), nullable=False),
        sa.Column("revoked_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_crls")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trust_domain", sa.String(length=255), nullable=False),
        sa.Column("server_names", sa.JSON(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "orgs",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("secrets_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orgs")),
    )
    op.create_table(
        "org_secrets",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_org_secrets_org_id_orgs")),
        sa.PrimaryKeyConstraint("org_id", "name", name=op.f("pk_org_secrets")),
    )
    op.create_table(
        "outposts",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("enrolled_at", Utc(), nullable=True),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.Column("hpke_public_key", sa.LargeBinary(), nullable=True),
        sa.Column("audit_public_key", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_outposts_org_id_orgs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outposts")),
        sa.UniqueConstraint("org_id", "name", name=op.f("uq_outposts_org_id")),
    )
    op.create_table(
        "tuf_metadata",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_tuf_metadata_org_id_orgs")),
        sa.PrimaryKeyConstraint("org_id", "role", "version", name=op.f("pk_tuf_metadata")),
    )
    op.create_table(
        "tuf_targets",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_tuf_targets_org_id_orgs")),
        sa.PrimaryKeyConstraint("org_id", "name", "sha256", name=op.f("pk_tuf_targets")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_users_org_id_orgs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "virtual_keys",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("prefix", sa.String(length=40), nullable=False),
        sa.Column("pepper_id", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("group_name", sa.String(length=63), nullable=False),
        sa.Column("allowed_models", sa.JSON(), nullable=False),
        sa.Column("allowed_networks", sa.JSON(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_virtual_keys_org_id_orgs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_virtual_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_virtual_keys_digest")),
    )
    op.create_table(
        "audit_events",
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=True),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_audit_events_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("outpost_id", "seq", name=op.f("pk_audit_events")),
    )
    op.create_table(
        "audit_receipts",
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_audit_receipts_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("outpost_id", "size", name=op.f("pk_audit_receipts")),
    )
    op.create_table(
        "certificates",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", Utc(), nullable=False),
        sa.Column("issued_at", Utc(), nullable=False),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_certificates_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_certificates")),
        sa.UniqueConstraint("serial", name=op.f("uq_certificates_serial")),
    )
    op.create_table(
        "enrolment_tokens",
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("spent_at", Utc(), nullable=True),
        sa.Column("certificate_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("replays", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_replay_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_enrolment_tokens_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("secret_sha256", name=op.f("pk_enrolment_tokens")),
    )
    op.create_table(
        "outpost_status",
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=False),
        sa.Column("outpost_version", sa.String(length=64), nullable=False),
        sa.Column("snapshot_version", sa.BigInteger(), nullable=True),
        sa.Column("applied_at", Utc(), nullable=True),
        sa.Column("refused_version", sa.BigInteger(), nullable=True),
        sa.Column("refused_reason", sa.String(length=1024), nullable=True),
        sa.Column("audit_size", sa.BigInteger(), nullable=False),
        sa.Column("audit_delivered", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_outpost_status_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("outpost_id", name=op.f("pk_outpost_status")),
    )


def downgrade() -> None:
    op.drop_table("outpost_status")
    op.drop_table("enrolment_tokens")
    op.drop_table("certificates")
    op.drop_table("audit_receipts")
    op.drop_table("audit_events")
    op.drop_table("virtual_keys")
    op.drop_table("users")
    op.drop_table("tuf_targets")
    op.drop_table("tuf_metadata")
    op.drop_table("outposts")
    op.drop_table("org_secrets")
    op.drop_table("orgs")
    op.drop_table("installation")
    op.drop_table("crls")
