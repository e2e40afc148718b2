"""detect-secrets as a filter: one JSON text a line on standard input, findings and CPU seconds out.

Runs in an environment of its own (``make peers``), by file name. Its default plugins and filters are on, and
each text is scanned as a file with the name it came with, as the tool is meant to be used.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, default_settings():
        for line in sys.stdin:
            row = json.loads(line)
            text, path = row["text"], Path(directory, row["name"])
            path.write_bytes(text.encode("utf-8", "replace"))
            begin = time.process_time()
            secrets = list(scan_file(str(path)))
            cpu_s = time.process_time() - begin
            path.unlink()
            # Several plugins report the same value: it is one finding.
            found = [*{place(text, secret.line_number, secret.secret_value or "") for secret in secrets}]
            print(json.dumps({"cpu_s": cpu_s, "found": found}), flush=True)


def place(text: str, line_number: int, value: str) -> tuple[str, int, int]:
    """Where the value is in its line, or the line."""
    lines = text.splitlines(keepends=True)
    begin = sum(map(len, lines[: line_number - 1]))
    line = lines[line_number - 1] if line_number <= len(lines) else ""
    at = line.find(value)
    return (
        ("secret", begin + at, begin + at + len(value)) if at >= 0 and value else ("secret", begin, begin + len(line))
    )


if __name__ == "__main__":
    main()
