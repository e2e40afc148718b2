"""An independent witness: python-tuf's own client against a repository of ours, over real HTTP on loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tuf.ngclient import Updater

Read = Callable[[str], bytes]


@contextmanager
def served(metadata: Read, target: Read) -> Iterator[str]:
    """Serve two functions from file name to bytes under ``/metadata/`` and ``/targets/``; ``LookupError`` is a 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, kind, filename = self.path.split("/", 2)
            try:
                body = (metadata if kind == "metadata" else target)(filename)
            except LookupError:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Witness:
    """One client with its own trusted state in ``folder``; each ``read`` is a whole client workflow."""

    def __init__(self, folder: Path, url: str, root: bytes) -> None:
        self.folder, self._url, self._root = folder, url, root
        for name in ("metadata", "targets"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def read(self, *names: str) -> dict[str, bytes]:
        """Refresh and download these targets; raises what python-tuf raises."""
        updater = Updater(
            str(self.folder / "metadata"),
            f"{self._url}/metadata/",
            str(self.folder / "targets"),
            f"{self._url}/targets/",
            bootstrap=self._root,
        )
        updater.refresh()
        found = {}
        for name in names:
            info = updater.get_targetinfo(name)
            assert info is not None, f"{name} is in no targets role"
            found[name] = Path(updater.download_target(info)).read_bytes()
        return found

    def version(self, role: str) -> int:
        """The version of a role that it trusts now."""
        metadata = json.loads((self.folder / "metadata" / f"{role}.json").read_bytes())
        return int(metadata["signed"]["version"])
