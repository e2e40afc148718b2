"""The two-phase swap of key, certificate and authorities on disk: candidate stored, then current by one rename.

Credentials number N lie in ``credentials-N``; ``current`` names the ones in use, and only N+1 can be a candidate.
Whatever instant the machine dies in, the credentials in use are whole: a candidate touches no file of theirs, and they
are removed only after ``current`` durably names their successor. A candidate counts once its certificate is there,
which is written last. Source: design §4.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from outpost.errors import ControlPlaneUntrusted, IdentityInvalid, Unavailable
from outpost.sync.identity import (
    CERTIFICATE_FILE,
    CURRENT_FILE,
    KEY_FILE,
    TRUST_FILE,
    Identity,
    StoredTrust,
    credentials_directory,
    load_credentials,
    load_keys,
    verify_identity,
)
from outpost.sync.trust import Trust
from pki.errors import CertificateInvalid
from pki.files import make_private_dir, write_private
from pki.keys import generate_private_key, private_key_to_pem
from pki.pem import certificates_to_pem
from pki.verify import Purpose, TrustStore, verify_chain

DRAW_FILE: Final = "renewal.json"
_FOLDER: Final = re.compile(r"credentials-([1-9][0-9]{0,8})")


def candidate_key(identity: Identity) -> ec.EllipticCurvePrivateKey:
    """The key for the next certificate, on disk before it is used; the same until the candidate is done or discarded.

    Raises:
        Unavailable: It cannot be written.
    """
    number = identity.credentials + 1
    place = credentials_directory(identity.directory, number)
    if place.exists():
        try:
            return load_keys(identity.directory, number).tls
        except IdentityInvalid:
            discard_candidate(identity)  # a folder whose key was never written whole
    key = generate_private_key()
    with _disk(identity):
        make_private_dir(place)
        write_private(place / KEY_FILE, private_key_to_pem(key, None))
    return key


def make_candidate(
    identity: Identity, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, trust: Trust, at: datetime
) -> Identity:
    """``identity`` with the new credentials, if they belong together and to it. Nothing is written.

    Raises:
        ControlPlaneUntrusted: They do not verify, or are not valid at ``at``.
    """
    try:
        store = TrustStore(trust.anchors, trust.intermediates)
        path = verify_chain(certificate, trust=store, at=at, purpose=Purpose.OUTPOST)
        candidate = replace(
            identity,
            keys=replace(identity.keys, tls=key),
            certificate=certificate,
            intermediates=path[1:-1],
            anchors=trust.anchors,
            credentials=identity.credentials + 1,
            trust_generation=trust.generation,
            trust_intermediates=trust.intermediates,
        )
        verify_identity(candidate, at)
    except (CertificateInvalid, IdentityInvalid) as err:
        raise ControlPlaneUntrusted(f"the new certificate does not verify; the old one stays: {err}") from err
    return candidate


def store_candidate(candidate: Identity) -> None:
    """Make the candidate durable beside the credentials in use; its key is there already.

    Raises:
        Unavailable: It cannot be written.
    """
    place = candidate.credentials_directory
    with _disk(candidate):
        write_private(place / TRUST_FILE, _encoded(candidate.trust))
        chain = certificates_to_pem([candidate.certificate, *candidate.intermediates])
        write_private(place / CERTIFICATE_FILE, chain)


def load_candidate(identity: Identity, at: datetime) -> Identity | None:
    """A candidate that was stored whole and not yet made current, or None."""
    number = identity.credentials + 1
    if not (credentials_directory(identity.directory, number) / CERTIFICATE_FILE).exists():
        return None
    try:
        candidate = load_credentials(identity.directory, number, at)
    except IdentityInvalid:
        candidate = None
    if candidate is None or candidate.trust_generation < identity.trust_generation or not candidate.is_current(at):
        discard_candidate(identity)
        return None
    return candidate


def discard_candidate(identity: Identity) -> None:
    """Forget the candidate, if any; the credentials in use are not touched.

    Raises:
        Unavailable: It cannot be removed.
    """
    place = credentials_directory(identity.directory, identity.credentials + 1)
    with _disk(identity), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(place)


def make_current(candidate: Identity) -> None:
    """The swap: from when this returns every start uses the candidate.

    Raises:
        Unavailable: It cannot be written; the old credentials or the new ones are in use, both whole.
    """
    with _disk(candidate):
        write_private(candidate.directory / CURRENT_FILE, f"credentials-{candidate.credentials}\n".encode())


def remove_old(identity: Identity) -> None:
    """Remove credentials that came before those in use.

    Raises:
        Unavailable: They cannot be removed.
    """
    with _disk(identity):
        for path in list(identity.directory.iterdir()):
            match = _FOLDER.fullmatch(path.name)
            if match and int(match[1]) < identity.credentials:
                shutil.rmtree(path)
        if identity.credentials > 0:
            for name in (KEY_FILE, CERTIFICATE_FILE, TRUST_FILE, DRAW_FILE):
                (identity.directory / name).unlink(missing_ok=True)


def store_trust(identity: Identity, trust: Trust) -> Identity:
    """Believe other authorities from now on; durable when this returns.

    Raises:
        Unavailable: It cannot be written; the old ones stay.
    """
    with _disk(identity):
        write_private(identity.credentials_directory / TRUST_FILE, _encoded(trust))
    return replace(
        identity,
        anchors=trust.anchors,
        trust_generation=trust.generation,
        trust_intermediates=trust.intermediates,
    )


def renewal_draw(identity: Identity, draw: Callable[[], float]) -> float:
    """The draw in [0, 1) that says when this certificate is renewed: made once and kept beside it.

    Raises:
        Unavailable: It cannot be written.
    """
    path = identity.credentials_directory / DRAW_FILE
    with contextlib.suppress(OSError, ValueError, RecursionError):
        stored = json.loads(path.read_bytes())
        if isinstance(stored, dict) and isinstance(stored.get("draw"), float) and 0 <= stored["draw"] < 1:
            return float(stored["draw"])
    value = draw()
    with _disk(identity):
        write_private(path, json.dumps({"draw": value}).encode())
    return value


def _encoded(trust: Trust) -> bytes:
    return (
        StoredTrust(
            generation=trust.generation,
            anchors_pem=[certificates_to_pem([anchor]).decode("ascii") for anchor in trust.anchors],
            intermediates_pem=[certificates_to_pem([other]).decode("ascii") for other in trust.intermediates],
        )
        .model_dump_json(indent=2)
        .encode()
    )


@contextlib.contextmanager
def _disk(identity: Identity) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise Unavailable(f"cannot write in {identity.directory}: {err.strerror}") from err
