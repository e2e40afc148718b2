"""The garbage collector, told what kind of program this is: what was made at the start stays, requests come and go.

Reference counting frees what a request leaves behind; the collector only looks for cycles. With its defaults it looks
after every 700 new objects, which is once or twice a request, and again and again through detectors and keys that
never go. Measured with ``bench/proxy.py``: a fifth of the CPU time of a request (docs/evaluation.md, Latency).
"""

import gc
from typing import Final

# New objects between two looks. One request makes some hundreds that are alive at once, so this is dozens of requests;
# what they left in cycles waits so long: less than the 32 bodies that are being read at the same time anyway.
YOUNG_OBJECTS: Final = 10_000


def settle() -> None:
    """Take everything that is alive now out of the collector's sight, and let it look less often from now on.

    To be called once what lasts has been made. Bundles that come later and go again are freed by counting, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
