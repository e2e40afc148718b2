"""The child process: a file on standard input, its texts as JSON on standard output. It has no more than it needs.

Memory, processor time and open files are bounded before a byte is read, no file can be written, and the environment
is empty. Exit code 3 says that the file cannot be read; any other failure means the same to the parent.
"""

import json
import resource
import sys
from typing import Final

MEMORY_BYTES: Final = 1_073_741_824  # 1 GiB of addresses; 100 MiB unpacked, parsed and as text, with the interpreter
CPU_S: Final = 20
NOT_READABLE: Final = 3


def main() -> int:
    """Read standard input, write the result."""
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),  # three standard ones and modules being imported
    ):
        resource.setrlimit(limit, (value, value))
    from outpost.documents.extract import NotReadable, extract  # noqa: PLC0415 - what it imports is bounded too

    try:
        extracted = extract(sys.stdin.buffer.read())
    except (NotReadable, MemoryError, RecursionError):
        return NOT_READABLE
    result = {"texts": extracted.texts, "unread": sorted(set(extracted.unread))}
    sys.stdout.buffer.write(json.dumps(result).encode())
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
