"""The child as a process: its limits hold."""

import json
import subprocess
import sys

from outpost.documents.child import NOT_READABLE

COMMAND = (sys.executable, "-I", "-m", "outpost.documents.child")


def run(data):
    return subprocess.run(COMMAND, input=data, capture_output=True, env={}, check=False)


def test_a_text_comes_back_as_json_and_a_wreck_as_a_code():
    done = run("Grüße".encode())
    assert json.loads(done.stdout) == {"texts": ["Grüße"], "unread": []}
    assert run(b"%PDF-").returncode == NOT_READABLE


def test_it_can_write_no_file_and_take_no_more_memory_than_it_may():
    code = (
        "import outpost.documents.child as c, sys, io; sys.stdin = io.TextIOWrapper(io.BytesIO(b'x'))\n"
        "c.main()\n"
        "write = lambda: open('/dev/shm/outpost-test', 'wb', buffering=0).write(b'x')\n"
        "for attempt in (lambda: bytes(2 << 30), write):\n"
        "    try: attempt()\n"
        "    except (MemoryError, OSError): continue\n"
        "    sys.exit(7)\n"
    )
    done = subprocess.run((sys.executable, "-I", "-c", code), capture_output=True, env={}, check=False)
    assert done.returncode != 7
