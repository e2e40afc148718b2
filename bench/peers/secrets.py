"""detect-secrets with its default plugins as a filter: a JSON array of texts on standard input, findings and seconds out.

Runs in an environment of its own (``make peers``). Each text is scanned as a file, as the tool is meant to be used.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings


def main() -> None:
    texts = json.load(sys.stdin)
    found, seconds = [], 0.0
    with tempfile.TemporaryDirectory() as directory, default_settings():
        path = Path(directory, "prompt")
        for text in texts:
            path.write_text(text, "utf-8")
            begin = time.perf_counter()
            secrets = list(scan_file(str(path)))
            seconds += time.perf_counter() - begin
            found.append([_place(text, secret.line_number, secret.secret_value or "") for secret in secrets])
    json.dump({"seconds": seconds, "found": found}, sys.stdout)


def _place(text: str, line_number: int, value: str) -> tuple[str, int, int]:
    lines = text.splitlines(keepends=True)
    begin = sum(map(len, lines[: line_number - 1]))
    line = lines[line_number - 1] if line_number <= len(lines) else ""
    at = line.find(value)
    return ("secret", begin + at, begin + at + len(value)) if at >= 0 and value else ("secret", begin, begin + len(line))


if __name__ == "__main__":
    main()
