# ruff: noqa: PLC0415 - atheris is loaded first, so that it can instrument, and only where it is
"""Fuzzes tier 1: any bytes, made a text, keep its promises (``tests/outpost/dlp/laws.py``).

    make fuzz SECONDS=60

With atheris (libFuzzer) inputs follow the coverage of the code; where it is not installed they are random. What broke a
promise is kept in ``build/fuzz/`` and named; it belongs into a test once it is understood.
"""

import argparse
import hashlib
import importlib.util
import os
import pathlib
import random
import sys
import time
from collections.abc import Callable

FOUND = pathlib.Path("build/fuzz/found")
CORPUS = pathlib.Path("build/fuzz/corpus")


def _target() -> Callable[[bytes], None]:
    from outpost.dlp.engine import Engine
    from outpost.dlp.registry import ALL
    from tests.outpost.dlp import laws

    engine, faster = Engine(ALL), Engine(ALL)
    other = faster if faster.accelerate(at_least=0) else None

    def run(data: bytes) -> None:
        text, cuts = laws.text_of(data)
        try:
            laws.check(engine, other, text, cuts)
        except BaseException:
            FOUND.mkdir(parents=True, exist_ok=True)
            path = FOUND / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"
            path.write_bytes(data)
            print(f"broken by {path}: {text[:200]!r} ({len(text)} characters), cuts {cuts[:20]}", flush=True)
            raise

    return run


def _guided(seconds: int, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["outpost.dlp"]):
        run = _target()
    CORPUS.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=2048",
        "-len_control=0",
        "-timeout=60",
        f"-artifact_prefix={FOUND.parent}/",
    ]
    atheris.Setup([sys.argv[0], *options, *arguments, str(CORPUS)], run)
    atheris.Fuzz()


def _random(seconds: int, seed: int) -> None:
    run, rng, count = _target(), random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run(rng.randbytes(rng.randrange(400)))
        count += 1
    print(f"{count} random inputs, seed {seed}: every promise kept (atheris is not installed here)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--random", action="store_true", help="random inputs even where atheris is installed")
    parser.add_argument("inputs", nargs="*", type=pathlib.Path, help="run these files and nothing else")
    arguments = parser.parse_args()
    if arguments.inputs:
        run = _target()
        for path in arguments.inputs:
            run(path.read_bytes())
    elif arguments.random or importlib.util.find_spec("atheris") is None:
        _random(arguments.seconds, arguments.seed)
    else:
        _guided(arguments.seconds, [f"-seed={arguments.seed}"])


if __name__ == "__main__":
    main()
