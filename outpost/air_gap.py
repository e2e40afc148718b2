"""An outpost without a network: a bundle comes as a file, the audit log goes as one, a receipt comes back.

``import_bundle`` is the synchronisation of ``outpost/sync/loop.py`` over a transport that reads the file: there is no
other verification, and no way around it. The outpost must not be running meanwhile: one process writes its audit log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from outpost.app import Outpost, effects_of, open_outpost
from outpost.config import Config
from outpost.errors import BundleRejected, ControlPlaneUntrusted, InputUnusable, OutpostError
from outpost.policy.trusted_metadata import MetadataRollback, TrustedMetadata
from outpost.protocol.audit_file import AuditFile, ReceiptFile
from outpost.protocol.bundle_file import TUF
from outpost.sync.bundle_file import FileTransport
from outpost.sync.client import ControlPlaneClient
from outpost.sync.doorstep import Doorstep
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import SyncLoop
from outpost.sync.revocation_watch import RevocationWatch


@dataclass(frozen=True, slots=True)
class Imported:
    """What is in force after an import."""

    snapshot_version: int
    secrets_version: int
    revoked: bool


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


async def import_bundle(
    config: Config, files: dict[str, bytes], *, clock: Callable[[], datetime] = utc_now
) -> Imported:
    """Take what a bundle file holds, verified exactly as online.

    Raises:
        OutpostError: It does not check out, or the outpost is running; what was in force stays.
    """
    outpost = open_outpost(config, clock=clock)
    try:
        _require_ours(files, outpost.identity.tuf_root)
        transport = FileTransport(files, outpost.identity)
        async with ControlPlaneClient(outpost.identity, transport=transport) as client:
            doorstep = Doorstep(outpost.identity.sync_url, transport=transport)
            keeper = IdentityKeeper(outpost.identity, client, doorstep, outpost.clock_watch, clock)
            revocations = RevocationWatch(
                lambda: keeper.identity, client, doorstep, outpost.stores.state, outpost.in_force.set_revoked, clock
            )
            effects = effects_of(outpost, client)
            await SyncLoop(client, keeper, revocations, outpost.stores, outpost.audit, effects, clock=clock).take_once()
            return _imported(outpost, revoked=revocations.revoked)
    except BundleRejected as err:
        if isinstance(err, MetadataRollback):
            raise InputUnusable(f"the file is older than what this outpost has, which stays: {err}") from err
        if _lacks_a_root(files, outpost):
            older = "the file is older than what this outpost has, which stays, or is for another org"
            raise InputUnusable(f"{older}: {err}") from err
        raise
    finally:
        outpost.close()


def export_audit(config: Config, *, clock: Callable[[], datetime] = utc_now) -> AuditFile:
    """Every event that no receipt covers, in batches that end at signed checkpoints.

    Raises:
        OutpostError: The log cannot be read, or the outpost is running.
    """
    outpost = open_outpost(config, clock=clock)
    try:
        return AuditFile(outpost_id=outpost.identity.outpost_id, batches=list(outpost.audit.undelivered()))
    finally:
        outpost.close()


def import_receipt(config: Config, file: ReceiptFile, *, clock: Callable[[], datetime] = utc_now) -> int:
    """Take the control plane's receipt; returns how many events it has.

    Raises:
        InputUnusable: It is another outpost's.
        OutpostError: It does not check out, or the outpost is running.
    """
    outpost = open_outpost(config, clock=clock)
    try:
        if file.outpost_id != outpost.identity.outpost_id:
            raise InputUnusable(f"the receipt is for outpost {file.outpost_id}, this is {outpost.identity.outpost_id}")
        if file.receipt is not None:
            outpost.audit.acknowledge(file.receipt, outpost.identity.receipt_verifier())
        return outpost.audit.delivered
    finally:
        outpost.close()


def _require_ours(files: dict[str, bytes], trusted_root: bytes) -> None:
    """Say that a file is another org's, where all that its verification could say is that a signature is missing."""
    root = f"{TUF}{TrustedMetadata(trusted_root).root.version}.root.json"
    if files.get(root, trusted_root) != trusted_root:
        raise ControlPlaneUntrusted("the file is for another org, or of another control plane; nothing was changed")


def _lacks_a_root(files: dict[str, bytes], outpost: Outpost) -> bool:
    """Whether it was made before the newest root that is trusted here: a file holds all roots that there were."""
    enrolled_with = TrustedMetadata(outpost.identity.tuf_root).root.version
    trusted = max(outpost.stores.bundles.trusted.load().roots, default=enrolled_with)
    return f"{TUF}{trusted}.root.json" not in files


def _imported(outpost: Outpost, *, revoked: bool) -> Imported:
    applied, secrets = outpost.in_force.applied, outpost.stores.secrets.load()
    if applied is None:
        raise OutpostError("the file holds no bundle")
    return Imported(applied.snapshot_version, secrets.version if secrets else 0, revoked)
