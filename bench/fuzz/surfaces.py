# ruff: noqa: PLC0415 - atheris is loaded first, so that it can instrument, and only where it is
"""Fuzzes the surfaces: parsers by coverage, then an outpost by the published schema, broken HTTP and honest bodies.

    make fuzz FUZZ=surfaces SECONDS=60

A quarter of the time each (``laws.py`` and ``honest.py`` of ``tests/outpost/proxy`` say what is promised). Without
atheris parsers get random inputs; without the published schemas (``OUTPOST_SHARED_DATA``) the outpost is not asked.
What broke a promise is named by its seed, or kept in ``build/fuzz/found``; it belongs into a test once understood.
"""

import argparse
import asyncio
import importlib.util
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

CORPUS = pathlib.Path("build/fuzz/corpus-surfaces")
FOUND = pathlib.Path("build/fuzz/found")
AT_ONCE = 20
MOST_MORE_KIB = 400_000  # what a run may add to the memory of a warm outpost, tests and stand-in included


def _parsers(seconds: float, seed: int) -> None:
    from outpost.dlp.engine import Engine
    from outpost.dlp.registry import ALL
    from tests.outpost.proxy import laws

    engine, rng, count = Engine(ALL), random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        one = rng.getrandbits(32)
        chosen = random.Random(one)
        data = laws.seeds(chosen)
        try:
            laws.check_bytes(engine, data, [chosen.randrange(5_000) for _ in range(chosen.randrange(4))])
        except BaseException:
            print(f"broken by seed {one}: {data!r}", flush=True)
            raise
        count += 1
    print(f"parsers: {count} random inputs, seed {seed}: every promise kept")


def _guided(seconds: float) -> None:
    """In this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["outpost.proxy"]):
        from outpost.dlp.engine import Engine
        from outpost.dlp.registry import ALL
        from tests.outpost.proxy import laws
    engine = Engine(ALL)
    for folder in (CORPUS, FOUND):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(200):
        (CORPUS / f"seed-{number}").write_bytes(b"\x00\x00" + laws.seeds(random.Random(number)))

    def run(data: bytes) -> None:
        laws.check_bytes(engine, data[2:], [data[0] * 3, data[1] * 5] if len(data) > 2 else [])

    options = [f"-max_total_time={max(1, int(seconds))}", "-max_len=2048", "-timeout=60", f"-artifact_prefix={FOUND}/"]
    atheris.Setup([sys.argv[0], *options, str(CORPUS)], run)
    atheris.Fuzz()


async def _outpost(seconds: float, seed: int) -> None:
    from tests.fakes.outpost import running_outpost
    from tests.fakes.upstream import running_upstream
    from tests.outpost.proxy import laws
    from tests.outpost.proxy.setup import policy, routing

    hasty = {"body_timeout_s": 0.5, "header_timeout_s": 0.5, "keepalive_timeout_s": 0.5}
    chosen = policy("BLOCK", ("pci.pan", "pii.email", "unscannable.*"))
    async with (
        running_upstream() as upstream,
        running_outpost(policy=chosen, routing=routing(upstream.openai_url), settings=hasty) as outpost,
    ):
        site, rng, counts, warm_kib = laws.Site(outpost, upstream), random.Random(seed), {}, 0
        for work in (site.structured, site.raw):
            end, count = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                await asyncio.gather(*(work(rng.getrandbits(32)) for _ in range(AT_ONCE)))
                count += AT_ONCE
                warm_kib = warm_kib or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            counts[work.__name__] = count
        await site.close()
    more_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm_kib
    if more_kib > MOST_MORE_KIB:
        sys.exit(f"memory grew by {more_kib} KiB")
    await _honest(seconds, seed)
    did = f"{counts}, {site.served} served, {site.refused} refused, +{more_kib} KiB"
    print(f"outpost: {did}, seed {seed}: every promise kept")


async def _honest(seconds: float, seed: int) -> None:
    from tests.fakes.outpost import running_outpost
    from tests.fakes.upstream import running_upstream
    from tests.outpost.proxy.honest import BLOCKING, RESTORING, Unnoticed
    from tests.outpost.proxy.setup import routing

    rng = random.Random(seed)
    for chosen in (BLOCKING, RESTORING):
        async with (
            running_upstream() as upstream,
            running_outpost(policy=chosen, routing=routing(upstream.openai_url)) as outpost,
        ):
            site = Unnoticed(outpost, upstream)
            end = time.monotonic() + seconds / 2
            while time.monotonic() < end:
                await (site.honest if chosen is BLOCKING else site.redacted)(rng.getrandbits(32))
            await site.close()
            did = f"{site.served} served unnoticed, {site.refusals.total()} refused"
            print(f"honest bodies: {did}, seed {seed}: every promise kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--random", action="store_true", help="random inputs even where atheris is installed")
    parser.add_argument("--guided-only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    share = arguments.seconds / 4
    if arguments.guided_only:
        _guided(share)
        return
    if arguments.random or importlib.util.find_spec("atheris") is None:
        _parsers(share, arguments.seed)
    else:
        again = [sys.executable, "-m", "bench.fuzz.surfaces", "--guided-only", "--seconds", str(arguments.seconds)]
        subprocess.run(again, check=True)
    if os.environ.get("OUTPOST_SHARED_DATA"):
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
        asyncio.run(_outpost(share, arguments.seed))
    else:
        print("OUTPOST_SHARED_DATA is not set: no running outpost was asked")


if __name__ == "__main__":
    main()
