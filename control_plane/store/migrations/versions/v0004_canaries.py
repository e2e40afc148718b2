"""Labels of outposts, canary publications, and who is shown them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from control_plane.store.tables import Utc

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "outpost_labels",
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_outpost_labels_outpost_id_outposts")),
        sa.PrimaryKeyConstraint("outpost_id", "name", name=op.f("pk_outpost_labels")),
    )
    op.create_table(
        "canaries",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audience", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_canaries_org_id_orgs")),
        sa.PrimaryKeyConstraint("org_id", "version", name=op.f("pk_canaries")),
    )
    op.create_table(
        "canary_members",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outpost_id", sa.String(length=63), nullable=False),
        sa.Column("served_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["outpost_id"], ["outposts.id"], name=op.f("fk_canary_members_outpost_id_outposts")),
        sa.ForeignKeyConstraint(
            ["org_id", "version"],
            ["canaries.org_id", "canaries.version"],
            name=op.f("fk_canary_members_org_id_canaries"),
        ),
        sa.PrimaryKeyConstraint("org_id", "version", "outpost_id", name=op.f("pk_canary_members")),
    )


def downgrade() -> None:
    op.drop_table("canary_members")
    op.drop_table("canaries")
    op.drop_table("outpost_labels")
