"""What each audience of an org is shown: until now everybody was shown the newest of everything."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_BACKFILL = """
INSERT INTO tuf_heads (org_id, audience, snapshot_version, timestamp_version)
SELECT snapshots.org_id, 'stable', MAX(snapshots.version), MAX(timestamps.version)
FROM tuf_metadata AS snapshots
JOIN tuf_metadata AS timestamps ON timestamps.org_id = snapshots.org_id AND timestamps.role = 'timestamp'
WHERE snapshots.role = 'snapshot'
GROUP BY snapshots.org_id
"""


def upgrade() -> None:
    op.create_table(
        "tuf_heads",
        sa.Column("org_id", sa.String(length=63), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("snapshot_version", sa.BigInteger(), nullable=False),
        sa.Column("timestamp_version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("fk_tuf_heads_org_id_orgs")),
        sa.PrimaryKeyConstraint("org_id", "audience", name=op.f("pk_tuf_heads")),
    )
    op.execute(_BACKFILL)


def downgrade() -> None:
    op.drop_table("tuf_heads")
