import subprocess
import sys

import pytest

# What only a gateway needs: slow to import.
HEAVY = {"aiohttp", "httpx", "tuf", "uvloop"}
START = """
import sys
from outpost.start import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules} & set(%r)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said", "heavy"),
    [
        (["scan", "--help"], 0, " scan [OPTIONS] [paths]...", set()),
        (["scan", "card.txt"], 1, "card.txt:1:6: pci.pan", set()),
        (["--help"], 0, "register", HEAVY),
    ],
    ids=["help of scan", "scan", "help of all"],
)
def test_scan_starts_without_the_gateway(tmp_path, arguments, code, said, heavy):
    (tmp_path / "card.txt").write_text("card 4111 1111 1111 1111\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", START % (sorted(HEAVY),), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, set(done.stderr.splitlines()[-1].split())) == (code, heavy)
    assert said in done.stdout
