"""The garbage collector, told what kind of program this is: what was made at the start stays, requests come and go.

Reference counting frees what a request leaves behind; the collector only looks for cycles. With its defaults it looks
after every 700 new objects, which is once or twice a request, and again and again through detectors and keys that
never go. Measured with ``bench/proxy.py``: an eighth of the CPU time of a request (docs/evaluation.md, Latency).

A hundred thousand keys are a million objects. A look through all of them holds the interpreter for half a second in
whichever thread it happens, so it must not happen while they are made.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# New objects between two looks. One request makes some hundreds that are alive at once, so this is dozens of requests;
# what they left in cycles waits so long: less than the 32 bodies that are being read at the same time anyway.
YOUNG_OBJECTS: Final = 10_000

LARGE_BYTES: Final = 1_000_000  # of documents: about 7,000 keys; a look through what less becomes takes milliseconds


def settle() -> None:
    """Take everything that is alive now out of the collector's sight, and let it look less often from now on.

    To be called once what lasts has been made. Bundles that come later and go again are freed by counting, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


@contextmanager
def held(size_bytes: int) -> Iterator[None]:
    """While something lasting is made of ``size_bytes``, if that is much: no look, and it is out of sight afterwards.

    What requests leave in cycles meanwhile stays for ever. So everything is looked through right before, which is
    quick, because the last that was made is out of sight; a refused request leaves no cycle (``proxy/server.py``).
    """
    if size_bytes < LARGE_BYTES or not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
