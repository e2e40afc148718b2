"""A bundle file in the place of the network: the control plane's answers, read from a file.

It is a transport of ``ControlPlaneClient``, so everything above it is the code that runs online: the order of
questions, the limits of sizes, every verification. What a file cannot answer is as a network that is down.
"""

from http import HTTPStatus
from pathlib import Path

import httpx
from cryptography import x509

from outpost.errors import ControlPlaneUntrusted
from outpost.protocol import routes
from outpost.protocol.bundle_file import CRLS, MAX_BYTES, SECRETS, TARGETS, TUF, BundleFileInvalid, read_bundle_file
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import ErrorBody
from outpost.sync.identity import Identity

_METADATA_PATH = routes.TUF_METADATA.format(filename="")
_TARGETS_PATH = routes.TUF_TARGETS.format(filename="")


def open_bundle_file(path: Path) -> dict[str, bytes]:
    """The files of a bundle file, not yet believed.

    Raises:
        ControlPlaneUntrusted: It is not one.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        if len(content) > MAX_BYTES:
            raise BundleFileInvalid(f"it has more than {MAX_BYTES} bytes")  # noqa: TRY301 - one way out
        return read_bundle_file(content)
    except BundleFileInvalid as err:
        raise ControlPlaneUntrusted(f"{path} is not a bundle file: {err}") from err


class FileTransport(httpx.AsyncBaseTransport):
    """Answers for one outpost from the files of a bundle file."""

    def __init__(self, files: dict[str, bytes], identity: Identity) -> None:
        self._files = files
        self._identity = identity

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """A file, 404 if there is none of the name, or the error of a network that is down."""
        name = self._name(request.url.path) if request.method == "GET" else None
        if name is None:
            raise httpx.ConnectError("a file answers nothing else", request=request)
        found = self._files.get(name)
        if found is None:
            body = ErrorBody(code=ErrorCode.NOT_FOUND, message="the bundle file has no such file")
            return httpx.Response(HTTPStatus.NOT_FOUND, content=body.model_dump_json().encode())
        return httpx.Response(HTTPStatus.OK, content=found)

    def _name(self, path: str) -> str | None:
        if path.startswith(_METADATA_PATH):
            return TUF + path.removeprefix(_METADATA_PATH)
        if path.startswith(_TARGETS_PATH):
            return TARGETS + path.removeprefix(_TARGETS_PATH)
        if path == routes.SECRETS:
            return f"{SECRETS}{self._identity.outpost_id}.json"
        return f"{CRLS}{_issuer_key_id(self._identity.certificate)}.der" if path == routes.CRL else None


def _issuer_key_id(certificate: x509.Certificate) -> str:
    extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    return (extension.value.key_identifier or b"").hex()
