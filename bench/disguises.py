"""How much of what is disguised tier 1 finds: each value of each kind in each disguise, within a sentence.

    python -m bench.disguises [--count N] [--misses]

Caught: a finding of the value's kind that covers what was written but for quotes (``EMBEDDED``: lies in it). Exact: its
very span.
"""

import argparse
import random

from outpost.dlp.engine import default_engine
from tests.outpost.dlp import disguises as ways
from tests.outpost.dlp.values import MAKERS

AROUND = ("Please check {} for me.", "The value is: {}\nThanks!", "{}", "Here it comes ({}), ok?", "x = {}")


# The value is only a part of what is written.
EMBEDDED = ("base64 of a sentence", "base64 wrapped", "base64 wrapped oddly", "data url")


def pairs():
    """(name of the way, the way, names of the kinds it is for)."""
    everything = tuple(MAKERS)
    for table, kinds in (
        (ways.GENERAL, everything),
        (ways.SPREAD, ("card", "amex", "ssn", "iban")),
        (ways.SPELLED, ("card", "amex", "ssn")),
        (ways.ADDRESS, ("email",)),
        (ways.LETTERS, ("iban", "email", "github", "aws", "anthropic")),
        (ways.WRAPPED, ("github", "aws", "anthropic")),
    ):
        for name, way in table.items():
            yield name, way, kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    engine, rng = default_engine(), random.Random(11)
    lows = 0
    for name, way, kinds in pairs():
        caught = exact = total = 0
        worst = {}
        for kind_name in kinds:
            make, kind = MAKERS[kind_name]
            for index in range(arguments.count):
                value = make(rng)
                if name in ways.SPREAD and kind_name == "ssn" and name != "other digits":
                    head = ""
                    if "everywhere" not in name and "pairs" not in name and "threes" not in name:
                        sign = way("0" * 8, rng)[4:-4]
                        written = value.replace("-", sign)
                    else:
                        written = way(value.replace("-", ""), rng)
                        head = "SSN "
                    around = "my {}." if not head else "my SSN {}."
                else:
                    written = way(value, rng)
                    around = AROUND[index % len(AROUND)]
                text = around.format(written)
                at = text.index(written)
                good = [f for f in engine.scan(text) if f.kind == kind]
                most = 1 if name in EMBEDDED else len(written) - 6
                hit = any(min(f.end, at + len(written)) - max(f.start, at) >= most for f in good)
                caught += hit
                exact += any((f.start, f.end) == (at, at + len(written)) for f in good)
                total += 1
                if not hit:
                    worst.setdefault(kind_name, []).append(text)
        low = caught / total < 0.95
        lows += low
        note = " ".join(f"{k}:{len(v)}" for k, v in worst.items())
        print(
            f"{'LOW ' if low else '    '}{name:28s} {caught / total:.3f} exact {exact / total:.3f} of {total}  {note}"
        )
        if arguments.misses and worst:
            for kind_name, texts in worst.items():
                print("      ", kind_name, repr(texts[0]))
    print(f"{lows} disguises below 0.95")


if __name__ == "__main__":
    main()
