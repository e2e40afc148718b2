"""Renewal, recovery, rotation: several authorities, what outposts say of their identity, and a record of events."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from control_plane.store.tables import Utc

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "authorities",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("issuer", sa.String(length=80), nullable=False),
        sa.Column("certificate_der", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("cross_der", sa.LargeBinary(), nullable=True),
        sa.Column("retired_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_authorities")),
    )
    op.create_table(
        "trust",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust")),
    )
    op.create_table(
        "identity_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("outpost_id", sa.String(length=63), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_events")),
    )
    op.create_index(op.f("ix_identity_events_outpost_id"), "identity_events", ["outpost_id"])
    op.add_column("outposts", sa.Column("recovery_approved_at", Utc(), nullable=True))
    for table in ("certificates", "crls"):
        op.add_column(
            table, sa.Column("authority", sa.String(length=80), server_default="intermediate", nullable=False)
        )
    op.add_column("outpost_status", sa.Column("certificate_sha256", sa.String(length=64), nullable=True))
    op.add_column("outpost_status", sa.Column("trust_generation", sa.BigInteger(), nullable=True))
    op.add_column("outpost_status", sa.Column("instance_id", sa.String(length=64), nullable=True))
    op.add_column("outpost_status", sa.Column("earlier_instances", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("outpost_status", sa.Column("cloned_at", Utc(), nullable=True))
    op.add_column("outpost_status", sa.Column("authority", sa.String(length=80), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outpost_status") as batch:
        for name in ("authority", "cloned_at", "earlier_instances", "instance_id"):
            batch.drop_column(name)
        for name in ("trust_generation", "certificate_sha256"):
            batch.drop_column(name)
    for table in ("crls", "certificates"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("authority")
    with op.batch_alter_table("outposts") as batch:
        batch.drop_column("recovery_approved_at")
    op.drop_index(op.f("ix_identity_events_outpost_id"), table_name="identity_events")
    op.drop_table("identity_events")
    op.drop_table("trust")
    op.drop_table("authorities")
