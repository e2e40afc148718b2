# ruff: noqa: RUF001 - a look-alike is a test
"""Speed and memory of tier 1: prompts, mixed text, hostile text, start, and other tools on the same texts.

    python -m bench.dlp [--quick]

Every figure is of CPU time of its process, best or quantile of several runs. Other tools are measured if they are
installed (``make peers``: Presidio's pattern recognisers, detect-secrets); a line says so where they are not.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import time

from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.registry import ALL
from outpost.errors import CouldNotInspect
from tests.outpost.dlp import samples

PEERS = pathlib.Path("build/peers/bin/python")
PROSE = (
    "On 12 March 2024 we met 17 people from the Berlin office, and Ana wrote to ana.silva@mail.example.org about it. "
    "The order 20240117-5512 came to 1,299.00 EUR; the router at 10.20.30.40 had been replaced, as they said, twice. "
    "Please call (650) 253-0000 before noon and ask for the card ending in 4242, not for the other one they mentioned. "
)
PLAIN = (
    "The committee will meet again next week to discuss what was decided, and everybody is asked to read the notes. "
    "Please summarise the following paragraph in three sentences and keep the tone friendly but professional. "
)
CODE = (
    "def total(rows: list[dict[str, int]]) -> int:\n    result = 0\n    for row in rows:\n"
    '        result += row["count"] * self.weights.get(row["kind"], 1)\n    return result\n\n'
    'logger.info("request %s took %d ms\\n", request_id, elapsed)\n'
)
LOG = (
    "2024-03-12T10:20:30.123Z INFO api.server GET /v1/items?id=8812&sort=asc 200 12ms "
    "sha=9fceb02d0ae598e95dc970b74767f19372d61af8\n"
)
HOSTILE = {
    "aaaa": "a",
    "1111": "1",
    "brackets": "([{",
    "separators": "-./ ",
    "half keys": "sk-ant-api03- ghp_ AKIA ",
    "half cards": "4111 1111 1111 ",
    "percent": "%25",
    "entities": "&#4;",
    "quotes": '" + ',
    "backslash": "\\n",
    "escapes": "\\u0041 ",
    "combining": "é",
    "pem": "-----BEGIN PRIVATE KEY-----",
    "number words": "one two three ",
    "at dot": "a at b dot ",
    "lookalikes": "аb",
    "hex": "41 42 43 44 ",
    "numbers": "12 345 6789 ",
    "ats": "a@a.",
    "colons": "a:b:c:",
    "zero width": "a\u200b",
}


def cpu_s(run, times=5):
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        with contextlib.suppress(CouldNotInspect):
            run()
        best = min(best, time.process_time() - begin)
    return best


def prompts(count, rng):
    """Prompts of 1 KB: prose, code and logs, one in four with something to find."""
    finds = samples.PERSONAL + samples.ALL_SECRETS[:12]
    out = []
    for _ in range(count):
        text = "".join(rng.choice((PLAIN, PLAIN, CODE, LOG)) for _ in range(9))
        if rng.random() < 0.25:
            at = rng.randrange(900)
            text = f"{text[:at]} {rng.choice(finds)} {text[at:]}"
        out.append(text[:1024])
    return out


def mixed(chars, rng):
    """Prose, code, logs and a little to find, about ``chars`` long."""
    parts, size = [], 0
    while size < chars:
        part = rng.choice((PLAIN, PLAIN, PLAIN, CODE, LOG)) if rng.random() > 0.004 else PROSE
        parts.append(part)
        size += len(part)
    return "".join(parts)[:chars]


def latencies_us(scan, texts, rounds):
    for text in texts:
        scan(text)
    times = []
    for _ in range(rounds):
        for text in texts:
            begin = time.process_time()  # what others do on the machine is not ours
            scan(text)
            times.append((time.process_time() - begin) * 1e6)
    cuts = statistics.quantiles(times, n=100)
    return statistics.median(times), cuts[98]


def unseen():
    """Pieces of 1 KB of this repository's own sources and documents, no two alike."""
    root = pathlib.Path(__file__).resolve().parents[1]
    files = sorted(path for folder in ("outpost", "docs", "tests") for path in (root / folder).rglob("*.[pm][yd]"))
    random.Random(1).shuffle(files)
    text = "".join(path.read_text() for path in files)[:1_000_000]
    return [text[at : at + 1024] for at in range(0, len(text), 1024)]


def hostile(scan):
    prose = (PROSE * 400)[:100_000]
    base = cpu_s(lambda: scan(prose))
    print(f"  prose with findings, 100 KB: {base * 1e3:.1f} ms")
    texts = {name: (unit * 100_000)[:100_000] for name, unit in HOSTILE.items()}
    texts["base64 of base64"] = base64.b64encode(base64.b64encode((PROSE * 200).encode()))[:100_000].decode()
    texts["base64 of zeros"] = base64.b64encode(bytes(75_000)).decode()
    texts["1 M combining marks"] = "e" + "\u0301" * 1_000_000
    worst = 0.0
    for name, text in texts.items():
        ratio = cpu_s(lambda text=text: scan(text), 3) / base * 100_000 / len(text)
        worst = max(worst, ratio)
        print(f"  {name:22s} {ratio:6.2f} x prose{'   <-- more than 3' if ratio > 3 else ''}")
    print(f"  worst: {worst:.2f} x")


START = """
import resource, sys, time
begin = time.process_time()
from outpost.dlp.engine import default_engine
imported = time.process_time()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engine = default_engine()
engine.scan("warm 4111 1111 1111 1111 a@example.org")
ready = time.process_time()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fast = engine.accelerate(at_least=0)
done = time.process_time()
print(imported - begin, ready - imported, done - ready, (after - before) / 1024,
      (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, fast)
"""


def start():
    imported, ready, changed, rss, most, fast = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, check=True
    ).stdout.split()
    print(
        f"start: imports {float(imported) * 1e3:.0f} ms, engine ready {float(ready) * 1e3:.0f} ms more; "
        f"changing over to Vectorscan {float(changed) * 1e3:.0f} ms in the background ({fast}); "
        f"RSS of the compiled rules {float(rss):.0f} MiB, at most {float(most):.0f} MiB while changing over"
    )


def others(texts, ours_us):
    """The same prompts through the tools in ``build/peers`` (``make peers``), each a process of its own."""
    lines = "".join(json.dumps({"text": text, "name": "prompt.txt"}) + "\n" for text in texts)
    for name, script, aim in (
        ("presidio's pattern recognisers", ["bench/peers/presidio.py", "0.5"], 50),
        ("detect-secrets", ["bench/peers/secrets.py"], 100),
    ):
        if not PEERS.exists():
            print(f"{name}: not installed here (make peers), not compared (aim: {aim} x)")
            continue
        out = subprocess.run([PEERS, "-P", *script], input=lines, capture_output=True, text=True, check=True).stdout
        p50 = statistics.median(json.loads(line)["cpu_s"] for line in out.splitlines()) * 1e6
        print(f"{name}: p50 {p50:.0f} us for the same prompts, {p50 / ours_us:.0f} x (aim: {aim} x)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(3)
    texts, large = prompts(50 if arguments.quick else 200, rng), mixed(1_000_000, rng)
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {len(ALL)} detectors"
    )
    start()
    ours = float("inf")
    plain, pieces = (PLAIN * 600)[:100_000], unseen()
    for name, engine in (("RE2", Engine(ALL)), ("Vectorscan", default_engine())):
        if name == "Vectorscan" and not engine.accelerate(at_least=0):
            print("Vectorscan: not installed here")
            continue
        once = [cpu_s(lambda engine=engine, text=text: engine.scan(text), 1) for text in pieces]
        print(
            f"{name}: 1 KB of sources and documents, each seen for the first time, {statistics.mean(once) * 1e6:.0f} us"
        )
        p50, p99 = latencies_us(engine.scan, texts, 2 if arguments.quick else 10)
        ours = min(ours, p50)
        first = cpu_s(lambda engine=engine: engine.scan(large), 1)
        again = cpu_s(lambda engine=engine: engine.scan(large), 3)
        print(f"{name}: 1 KB prompt p50 {p50:.0f} us, p99 {p99:.0f} us")
        print(f"  1 MB of mixed text {1 / again:.1f} MB/s (the first time {1 / first:.1f})")
        fast = cpu_s(lambda engine=engine: engine.scan(plain), 3)
        print(f"  100 KB of prose without findings {0.1 / fast:.1f} MB/s")
        hostile(engine.scan)
    begin = time.process_time()
    with contextlib.suppress(CouldNotInspect):
        default_engine().scan(mixed(25_000_000, rng))
    seconds, rss_kib = time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"25 MB: {seconds:.1f} s; RSS at most {rss_kib / 1024:.0f} MiB")
    others(texts[:50], ours)


if __name__ == "__main__":
    main()
