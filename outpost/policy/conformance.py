"""``python -m outpost.policy.conformance``: our TUF client as the command line that public TUF test suites drive.

``init`` takes a root as trusted, ``refresh`` runs the client workflow, ``download`` fetches and verifies artifacts; the
options may stand before or after the command. Exit status: 0 all of it was done, 1 it was not, and standard error
says why. The deciding is ``workflow.py``'s, the same as in the outpost; here are only a directory and HTTP.

The directory holds the trusted metadata under unversioned names and each root that was verified under
``root_history/``. Every file is replaced atomically. What is damaged counts as absent; a damaged ``root.json`` is
restored from the history. ``docs/protocol.md`` goes through the specification step by step.
"""

import argparse
import http.client
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Timer
from typing import Final, NoReturn
from urllib.parse import quote, urlsplit

from outpost.errors import BundleRejected, OutpostError, Unavailable
from outpost.policy.trusted_metadata import MetadataInvalid, TrustedMetadata, check_target
from outpost.policy.workflow import (
    Discard,
    Flow,
    Limits,
    Persist,
    Recall,
    Result,
    Step,
    Want,
    WantTarget,
    adopt_roots,
    fetch_target,
    find_target,
    refresh,
    stored_filename,
)
from pki.files import write_public

# Sizes are those of python-tuf (tuf/ngclient/config.py), so that what one reference client reads, this one does.
LIMITS: Final = Limits(
    root_bytes=512_000,
    timestamp_bytes=16_384,
    snapshot_bytes=2_000_000,
    targets_bytes=5_000_000,
    stated_bytes=64 * 1_048_576,
    root_rotations=256,
)
MAX_TARGET_BYTES: Final = 512 * 1_048_576  # an artifact is held in memory until it is verified
_HISTORY: Final = "root_history"
_CHUNK_BYTES: Final = 65_536
_NOT_THERE: Final = frozenset({403, 404})  # storage services answer 403 for a file they do not have
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Unreachable(Unavailable):
    """The server gives no usable answer: no connection, a server error, or too slow."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for: this long for each sign of life, and for all of a file by its size."""

    silence_s: float = 10.0
    grace_s: float = 20.0
    bytes_per_s: float = 10_000.0  # slower than that is the slow retrieval attack of specification 1.5.2

    def whole_file_s(self, max_bytes: int) -> float:
        """The longest that a file of ``max_bytes`` may take."""
        return self.grace_s + max_bytes / self.bytes_per_s


class Directory:
    """Trusted metadata as plain files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, role: str) -> bytes | None:
        """What is kept under ``role``, unverified; None if there is nothing."""
        return _read(self._path / stored_filename(role))

    def initialise(self, trusted_root: bytes) -> None:
        """Begin with ``trusted_root``.

        Raises:
            BundleRejected: It is no root, or another one is trusted here already.
        """
        root = TrustedMetadata(trusted_root).root
        kept = self.read(root.type)
        if kept not in {None, trusted_root}:
            raise MetadataInvalid(f"{self._path} trusts another root already: give this one a directory of its own")
        self._path.mkdir(parents=True, exist_ok=True)
        self.persist(Persist(root.type, root.version, trusted_root))
        _tell(f"trusting root version {root.version}")

    def open(self) -> tuple[TrustedMetadata, list[bytes]]:
        """The trusted root, and what the history holds above it (unverified).

        Raises:
            BundleRejected: There is no root to begin with.
        """
        history = self._history()
        kept = self.read("root")
        candidates = ([kept] if kept is not None else []) + [data for _, data in sorted(history.items())]
        for data in candidates:
            try:
                trusted = TrustedMetadata(data)
            except BundleRejected as err:
                _tell(f"a kept root is damaged ({err}); trying the next one")
                continue
            version = trusted.root.version
            if data is not kept:
                self.persist(Persist(trusted.root.type, version, data))
            above: list[bytes] = []
            while (following := history.get(version + len(above) + 1)) is not None:
                above.append(following)
            return trusted, above
        raise MetadataInvalid(f"{self._path} has no trusted root: run init first")

    def persist(self, step: Persist) -> None:
        """Keep a file, durably."""
        # A root goes into the history first and to its place last: whatever is lost between, the next start finds it
        # in the history and does the rest.
        if step.role == "root":
            history = self._path / _HISTORY
            history.mkdir(exist_ok=True)
            write_public(history / f"{step.version}.root.json", step.data)
        for role in step.discards:
            self.discard(role)
        write_public(self._path / stored_filename(step.role), step.data)

    def discard(self, role: str) -> None:
        """Drop what is kept under ``role``."""
        (self._path / stored_filename(role)).unlink(missing_ok=True)

    def _history(self) -> dict[int, bytes]:
        found = {}
        for path in (self._path / _HISTORY).glob("*.root.json"):
            number = path.name.removesuffix(".root.json")
            data = _read(path) if number.isascii() and number.isdigit() else None
            if data is not None:
                found[int(number)] = data
        return found


class Client:
    """One run: a directory, a server, one trusted state."""

    def __init__(
        self, directory: Directory, metadata_url: str, target_url: str | None = None, patience: Patience | None = None
    ) -> None:
        self._directory = directory
        self._metadata_url = metadata_url.rstrip("/")
        self._target_url = (target_url or "").rstrip("/")
        self._patience = patience or Patience()
        self._at = datetime.now(UTC)  # 5.1
        self._trusted, above = directory.open()
        self._drive(adopt_roots(self._trusted, above))

    def refresh(self) -> None:
        """Update the top-level roles.

        Raises:
            OutpostError: It could not be done; what was verified until then is kept.
        """
        if not self._drive(refresh(self._trusted, self._at, LIMITS)):
            raise Unreachable("the server has no timestamp.json")

    def download(self, path: str, target_dir: Path) -> None:
        """Bring the artifact ``path`` into ``target_dir``, unless it is there.

        Raises:
            OutpostError: No role lists it, or what is served is not it.
        """
        target = self._drive(find_target(self._trusted, path, self._at, LIMITS))
        if target is None:
            raise MetadataInvalid(f"no role lists a target {path}")
        place = target_dir / _one_file(path)
        kept = _read(place)
        if kept is not None:
            with suppress(BundleRejected):
                check_target(target, kept)
                _tell(f"{path} is there already")
                return
        data = self._drive(fetch_target(self._trusted, target, MAX_TARGET_BYTES))
        target_dir.mkdir(parents=True, exist_ok=True)
        write_public(place, data)
        _tell(f"{path} is verified: {len(data)} bytes in {place}")

    def _drive(self, flow: Flow[Result]) -> Result:
        answer: bytes | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            answer = self._do(step)

    def _do(self, step: Step) -> bytes | None:
        match step:
            case Want(filename, max_bytes):
                return download(f"{self._metadata_url}/{filename}", max_bytes, self._patience)
            case WantTarget(path, max_bytes):
                return download(f"{self._target_url}/{_quoted_path(path)}", max_bytes, self._patience)
            case Recall(role):
                return self._directory.read(role)
            case Discard(role, reason):
                _tell(f"dropping the kept {role}: {reason}")
                self._directory.discard(role)
            case Persist(role, version):
                _tell(f"trusting {role} version {version}")
                self._directory.persist(step)
        return None


def download(url: str, max_bytes: int, patience: Patience) -> bytes | None:
    """The file at ``url``, or None if the server has none.

    Raises:
        MetadataInvalid: It is longer than ``max_bytes``.
        Unreachable: No usable answer within ``patience``.
    """
    try:
        parts = urlsplit(url)
        connect = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[parts.scheme]
        connection = connect(parts.hostname or "", parts.port, timeout=patience.silence_s)
    except (KeyError, ValueError, http.client.InvalidURL) as err:
        raise Unreachable(f"not an http or https URL: {url}") from err
    late = Event()
    watchdog = Timer(patience.whole_file_s(max_bytes), _cut_off, [connection, late])
    watchdog.daemon = True
    try:
        connection.connect()
        watchdog.start()
        request = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", request, headers={"Accept-Encoding": "identity", "Connection": "close"})
        content = _body(connection.getresponse(), url, max_bytes)
    except (OSError, http.client.HTTPException, ValueError) as err:
        raise Unreachable(f"{url}: {type(err).__name__}: {err}") from err
    finally:
        watchdog.cancel()
        connection.close()
    if late.is_set():  # a body without a stated length looks whole when it is cut off
        raise Unreachable(f"{url}: too slow")
    return content


def _body(response: http.client.HTTPResponse, url: str, max_bytes: int) -> bytes | None:
    if response.status in _NOT_THERE:
        _tell(f"{url}: not there ({response.status})")
        return None
    if response.status != http.client.OK:
        raise Unreachable(f"{url}: HTTP status {response.status}")
    content = bytearray()
    while chunk := response.read1(min(_CHUNK_BYTES, max_bytes + 1 - len(content))):
        content += chunk
        if len(content) > max_bytes:
            raise MetadataInvalid(f"{url} is longer than {max_bytes} bytes")
    if response.length:  # what was announced and did not come
        raise Unreachable(f"{url} ended {response.length} bytes too early")
    _tell(f"{url}: {len(content)} bytes")
    return bytes(content)


def _cut_off(connection: http.client.HTTPConnection, late: Event) -> None:
    late.set()
    with suppress(OSError, AttributeError):  # it may have ended just now
        connection.sock.shutdown(socket.SHUT_RDWR)


def _quoted_path(path: str) -> str:
    """A target's path in a URL. By the specification (4.5) it is a path-relative URL already; what is not is made one.

    A question mark or a number sign would end the path, so they are quoted, too; valid escapes are left alone.
    """
    return quote(_STRAY_PERCENT.sub("%25", path), safe="/%:@!$&'()*+,;=~")


def _one_file(path: str) -> str:
    """A target's path as the name of one file; ``..`` is none, and neither is the directory itself."""
    name = quote(path, safe="")
    return name.replace(".", "%2E") if name in {".", ".."} else name


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class _Parser(argparse.ArgumentParser):
    """Every failure is status 1, usage included: a suite knows no other."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m outpost.policy.conformance", description="A TUF client for conformance suites.")
    parser.add_argument("command", choices=("init", "refresh", "download"))
    parser.add_argument("trusted_root", nargs="?", type=Path, help="root.json to begin with (init)")
    parser.add_argument("--metadata-dir", type=Path, required=True, help="where trusted metadata is kept")
    parser.add_argument("--metadata-url", help="where metadata is fetched (refresh, download)")
    parser.add_argument("--target-name", action="append", default=[], help="artifact to fetch; may be repeated")
    parser.add_argument("--target-base-url", help="where artifacts are fetched (download)")
    parser.add_argument("--target-dir", type=Path, help="where artifacts are put (download)")
    return parser


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    directory = Directory(options.metadata_dir)
    if options.command == "init":
        if options.trusted_root is None:
            parser.error("init needs TRUSTED_ROOT")
        directory.initialise(options.trusted_root.read_bytes())
        return
    if options.metadata_url is None:
        parser.error(f"{options.command} needs --metadata-url")
    if options.command == "download" and not (options.target_name and options.target_base_url and options.target_dir):
        parser.error("download needs --target-name, --target-base-url and --target-dir")
    client = Client(directory, options.metadata_url, options.target_base_url)
    client.refresh()
    if options.command == "download":
        for name in options.target_name:
            client.download(name, options.target_dir)


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    parser = _parser()
    try:
        _run(parser, parser.parse_intermixed_args(arguments))
    except (OutpostError, OSError) as err:
        _tell(f"error: {type(err).__name__}: {err}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
