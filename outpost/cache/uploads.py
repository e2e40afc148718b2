"""Which files callers uploaded through this outpost, and what their inspection found; never a name or a word of them.

Bounded in number and in age: what is forgotten is no longer trusted, and has to be uploaded again. Each method is one
transaction.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from outpost.cache.db import Database
from outpost.errors import CacheCorrupt

MAX_PER_KEY: Final = 10_000  # as many as OpenAI lists on one page; the oldest are forgotten first
MAX_ALL: Final = 200_000  # about 100 MB of rows
MAX_KINDS: Final = 64  # of one file; each is one of the taxonomy


@dataclass(frozen=True, slots=True)
class Upload:
    """One file.

    Attributes:
        file_id: As the provider calls it.
        provider: Id of the provider that has it.
        key_id: Who uploaded it: nobody else may use it.
        sha256: Of its bytes.
        inspected_by: What looked at it (``outpost/proxy/uploads.py``).
        looked: Models were asked about it.
        found: What was found: kind, highest score, detector and tier of each kind.
    """

    file_id: str
    provider: str
    key_id: str
    sha256: str
    inspected_by: str
    looked: bool
    found: tuple[tuple[str, float, str, int], ...]
    uploaded_at: datetime
    expires_at: datetime


class UploadStore:
    """Uploads in ``outpost.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, upload: Upload, at: datetime) -> None:
        """Remember ``upload``, and forget what has expired at ``at`` or is beyond the bounds.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM upload WHERE expires_at <= ?", (_text(at),))
            connection.execute(
                "INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    upload.file_id,
                    upload.provider,
                    upload.key_id,
                    upload.sha256,
                    upload.inspected_by,
                    int(upload.looked),
                    json.dumps(upload.found[:MAX_KINDS], allow_nan=False),
                    _text(upload.uploaded_at),
                    _text(upload.expires_at),
                ),
            )
            for where, values, most in (("key_id = ?", (upload.key_id,), MAX_PER_KEY), ("1", (), MAX_ALL)):
                connection.execute(
                    f"""DELETE FROM upload WHERE rowid IN (SELECT rowid FROM upload WHERE {where}
                        ORDER BY uploaded_at DESC, rowid DESC LIMIT -1 OFFSET {most:d})""",  # noqa: S608 - constants
                    values,
                )

    def get(self, file_id: str, at: datetime) -> Upload | None:
        """The upload, unless it is unknown or has expired at ``at``.

        Raises:
            CacheUnavailable: It could not be read.
            CacheCorrupt: What is stored is no upload.
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM upload WHERE file_id = ? AND expires_at > ?", (file_id, _text(at))
            ).fetchone()
        return None if row is None else self._upload(row)

    def of_key(self, key_id: str, at: datetime) -> frozenset[tuple[str, str]]:
        """``(provider, file id)`` of everything that the caller with ``key_id`` has at ``at``.

        Raises:
            CacheUnavailable: It could not be read.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT provider, file_id FROM upload WHERE key_id = ? AND expires_at > ?", (key_id, _text(at))
            ).fetchall()
        return frozenset((str(provider), str(file_id)) for provider, file_id in rows)

    def forget(self, file_id: str) -> None:
        """Forget an upload, if it is known.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM upload WHERE file_id = ?", (file_id,))

    def _upload(self, row: tuple[str, str, str, str, str, int, str, str, str]) -> Upload:
        try:
            found = tuple((str(kind), float(score), str(by), int(tier)) for kind, score, by, tier in json.loads(row[6]))
            return Upload(*row[:5], bool(row[5]), found, _time(row[7]), _time(row[8]))
        except (ValueError, TypeError) as err:
            raise CacheCorrupt(f"{self._database.path}: an upload cannot be read; someone edited it") from err


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")  # of one length, so that texts sort as times


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
