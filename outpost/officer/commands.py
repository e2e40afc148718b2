"""``outpost policy keygen``, ``show`` and ``sign``: an officer's tool. It needs a key and a proposal, and no network.

``sign`` shows what is proposed, asks, signs into the file, and remembers beside the key what was signed, so that the
next proposal cannot pretend that an older policy is in force.
"""

import difflib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from outpost.errors import InputUnusable
from outpost.officer.key import PUBLIC_SUFFIX, OfficerSigner, create_file, create_in_store, from_file, from_store
from outpost.policy.proposal import (
    MAX_PROPOSAL_BYTES,
    DocumentChange,
    ProposalInvalid,
    Review,
    Seen,
    add_signature,
    digest,
    parse_proposal,
    review,
    seen_by,
)
from outpost.protocol.documents import POLICY_TARGET
from outpost.protocol.proposal import Proposal
from pki.errors import KeyFileError, KeyStoreError
from pki.files import write_private
from pki.keystore import read_secret

SEEN_SUFFIX: Final = ".seen.json"
_DIFF_LIMIT: Final = 400  # lines of one document; the whole is in the file, and its digest is shown
_TEXT_LIMIT: Final = 200_000  # bytes of a document that is compared line by line

ProposalArgument = Annotated[Path, typer.Argument(help="The proposal, from `control-plane policy propose`.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Your key file.")]
StoreOption = Annotated[
    str | None, typer.Option("--key-store", "--pkcs11", help="Or a key store: pkcs11:token=LABEL?module-path=FILE")
]
LabelOption = Annotated[str, typer.Option("--label", help="Your key's label in the key store.")]
SecretOption = Annotated[
    Path | None, typer.Option("--secret-file", help="File with the passphrase or PIN; asked for without it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


def keygen(
    out: Annotated[Path, typer.Argument(help="Where your key goes; its public half goes beside it, as .pub.")],
    *,
    key_store: StoreOption = None,
    label: LabelOption = "officer",
    secret_file: SecretOption = None,
) -> None:
    """Make an officer's key: an encrypted file, or one that never leaves a key store (an HSM, a smart card)."""
    if key_store is None:
        signer, public = create_file(out, _secret(secret_file, new=True)), out.with_suffix(PUBLIC_SUFFIX)
    else:
        public = out if out.suffix == PUBLIC_SUFFIX else out.with_suffix(PUBLIC_SUFFIX)
        signer = create_in_store(key_store, label, _secret(secret_file), public)
    typer.echo(f"Key {signer.public_key.keyid[:16]}… is made. Give {public} to the operator of the control plane.")


def show(proposal: ProposalArgument, *, as_json: JsonOption = False) -> None:
    """Show what a proposal would change, until when, and who has signed it; exit code 1 if it must not be signed."""
    _print(review(_read(proposal)), as_json=as_json)


def sign(  # noqa: PLR0913 - the options of one command
    proposal: ProposalArgument,
    *,
    key: KeyOption = None,
    key_store: StoreOption = None,
    label: LabelOption = "officer",
    secret_file: SecretOption = None,
    seen_file: Annotated[
        Path | None,
        typer.Option(
            "--seen", help="What you signed before; default beside the key, or LABEL.seen.json beside the proposal."
        ),
    ] = None,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="What you signed last was never published, and you know that.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a proposal, show it, and sign it into the same file. Nothing is sent anywhere."""
    if (key is None) == (key_store is None):
        raise typer.BadParameter("give --key FILE or --key-store URI")
    found = _read(proposal)
    memory = seen_file or _memory(proposal, key, label)
    seen = Seen() if withdrawn else _seen(memory)
    _print(review(found, seen), as_json=as_json)
    if not yes and not typer.confirm(f"Sign this for org {found.org_id}?", err=True):
        raise typer.Exit(1)
    signed = _signed(found, _open(key, key_store, label, _secret(secret_file)), seen)
    if _read(proposal) != found:
        raise ProposalInvalid(f"{proposal} was changed while you read it; nothing was signed")
    # First what was signed, then the signature: if only the first is there, signing again is allowed.
    write_private(memory, json.dumps(asdict(seen_by(found))).encode())
    write_private(proposal, signed.model_dump_json(exclude_none=True).encode())
    left = [one for one in review(signed).signatures if not one.enough]
    missing = "; ".join(f"{one.role} by {one.by}: {len(one.signed)} of {one.threshold}" for one in left)
    typer.echo(
        f"Signed. Still missing: {missing}." if left else "Signed. Enough signatures: it can be published.", err=True
    )


def _memory(proposal: Path, key: Path | None, label: str) -> Path:
    """Where what was signed is remembered: of a key in a store by its label, so that it holds for the next proposal."""
    return proposal.with_name(quote(label, safe="") + SEEN_SUFFIX) if key is None else key.with_suffix(SEEN_SUFFIX)


def _signed(found: Proposal, signer: OfficerSigner, seen: Seen) -> Proposal:
    try:
        return add_signature(found, signer, seen)
    except KeyStoreError as err:
        raise InputUnusable(str(err)) from err


def _open(key: Path | None, key_store: str | None, label: str, secret: bytes) -> OfficerSigner:
    if key is not None:
        return from_file(key, secret)
    return from_store(key_store or "", label, secret)


def _read(path: Path) -> Proposal:
    with path.open("rb") as file:
        return parse_proposal(file.read(MAX_PROPOSAL_BYTES + 1))


def _seen(path: Path) -> Seen:
    if not path.exists():
        return Seen()
    try:
        return Seen(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as err:
        raise InputUnusable(
            f"{path} cannot be read: it holds what you signed before; restore it from a backup"
        ) from err


def _secret(path: Path | None, *, new: bool = False) -> bytes:
    if path is not None:
        try:
            return read_secret(path)
        except KeyFileError as err:
            raise InputUnusable(f"{path}: {err}") from err
    if not sys.stdin.isatty():
        raise InputUnusable("there is no passphrase or PIN: use --secret-file")
    return str(typer.prompt("Passphrase or PIN", hide_input=True, confirmation_prompt=new, err=True)).encode()


def _print(found: Review, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(found)))
        return
    for line in _lines(found):
        typer.echo(line)


def _plain(found: Review) -> dict[str, Any]:
    return {
        "org_id": found.org_id,
        "targets_version": {"in_force": found.targets_versions[0], "proposed": found.targets_versions[1]},
        "root_version": {"in_force": found.root_versions[0], "proposed": found.root_versions[1]},
        "expires_at": found.expires_at.isoformat(),
        "documents": [
            {"name": one.name, "before_sha256": _digest(one.before), "after_sha256": _digest(one.after)}
            for one in found.documents
        ],
        "changes": [asdict(one) for one in found.changes],
        "lists": [asdict(one) for one in found.lists],
        "keys": list(found.keys),
        "signatures": [asdict(one) | {"enough": one.enough} for one in found.signatures],
        "complete": found.complete,
    }


def _lines(found: Review) -> Iterator[str]:
    yield f"Proposal for org {found.org_id}"
    yield f"  targets   version {found.targets_versions[0]} is in force, {found.targets_versions[1]} is proposed"
    before, after = found.root_versions
    yield f"  root      version {before} stays" if before == after else f"  root      version {before} -> {after}"
    yield f"  expires   {found.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    for line in found.keys:
        yield f"  KEYS      {line}"
    for one in found.signatures:
        who = ", ".join(keyid[:16] for keyid in one.signed) or "nobody"
        yield f"  signed    {one.role} by {one.by}: {len(one.signed)} of {one.threshold} ({who})"
    for one_list in found.lists:
        yield f"  {one_list.name} (nobody can read it; compare with what made it)"
        yield f"    before {_stated(one_list.before)}"
        yield f"    after  {_stated(one_list.after)}"
    if not found.documents and not found.lists:
        yield "  documents stay as they are"
    for change in found.changes:
        place = change.where if change.document == POLICY_TARGET else f"{change.document}: {change.where}"
        yield f"  {change.effect.upper():<9} {_printable(place)}: {_printable(change.what)}"
    for document in found.documents:
        yield from _document(document)


def _stated(one: tuple[int, str] | None) -> str:
    return "(none)" if one is None else f"{one[0]} bytes, sha256 {one[1]}"


def _document(change: DocumentChange) -> Iterator[str]:
    yield f"  {change.name}"
    yield f"    sha256 before {_digest(change.before) or '(none)'}"
    yield f"    sha256 after  {_digest(change.after) or '(none: it disappears)'}"
    before, after = _text(change.before), _text(change.after)
    lines = list(difflib.unified_diff(before, after, "in force", "proposed", lineterm="", n=3))
    yield from (f"    {_printable(line)}" for line in lines[:_DIFF_LIMIT])
    if len(lines) > _DIFF_LIMIT:
        yield f"    … {len(lines) - _DIFF_LIMIT} more lines: read the document itself before you sign"


def _text(content: bytes | None) -> list[str]:
    if content is None:
        return []
    if len(content) > _TEXT_LIMIT:
        return [f"({len(content)} bytes, too long to compare here)"]
    return json.dumps(json.loads(content), indent=2, ensure_ascii=True).splitlines()


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)


def _digest(content: bytes | None) -> str | None:
    return None if content is None else digest(content)
