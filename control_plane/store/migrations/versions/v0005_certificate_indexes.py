"""Certificates are found by outpost (every heartbeat, revocation) and by key (renewal), not by reading all of them."""

from collections.abc import Sequence

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(op.f("ix_certificates_outpost_id"), "certificates", ["outpost_id"])
    op.create_index(op.f("ix_certificates_spki_sha256"), "certificates", ["spki_sha256"])


def downgrade() -> None:
    op.drop_index(op.f("ix_certificates_spki_sha256"), table_name="certificates")
    op.drop_index(op.f("ix_certificates_outpost_id"), table_name="certificates")
