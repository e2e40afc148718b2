"""Measures tier 1 on public labelled sets and beside its peers.

Per type: recall, precision, F1, F2, false findings per 1,000 benign prompts and per 1,000 code files, with 95 %
intervals (Wilson for proportions, a bootstrap over groups for F scores). The peers are presidio-analyzer's pattern
recognisers and detect-secrets, in an environment of their own that `make peers` builds.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench import eval_held_out, eval_report, eval_sets, eval_tools
from bench.eval_metrics import Found, Measured
from bench.eval_sets import Sample
from bench.eval_tables import Table, output

EXAMPLES = """
examples:
  make eval                                          everything, with the peers if they can be installed
  make eval ARGS="--only types"                      only the labelled sentences
  make eval ARGS="--only secrets,false --no-peers"   ours alone
  make eval ARGS="--markdown eval.md"                the tables as Markdown, too
  make eval ARGS="--update docs/evaluation.md"       put them into the document
  make eval ARGS="--failures failures.jsonl"         each miss and each false finding of ours, to read

Sets that are not in --data are left out, and a line says so.
"""
SECTIONS = {
    "types": "labelled sentences (dev-presidio-synth, dev-datafog-structured)",
    "secrets": "examples of secrets (dev-noseyparker-rules, dev-leaky-repo)",
    "false": "benign prompts and code that should have no finding",
    "held-out": "values, look-alikes, prompts and disguises of our own (bench/held_out)",
}


def arguments(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.eval",
        description=__doc__,
        epilog="sections:\n" + "\n".join(f"  {name:9s} {text}" for name, text in SECTIONS.items()) + "\n" + EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=eval_sets.DEFAULT, help="folder of the public sets")
    parser.add_argument(
        "--only", type=_sections, default=tuple(SECTIONS), metavar="SECTION,…", help="only these sections"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone")
    parser.add_argument(
        "--presidio-score",
        type=float,
        default=0.0,
        metavar="S",
        help="lowest score of Presidio's that counts (default 0)",
    )
    parser.add_argument(
        "--code-files",
        type=int,
        default=400,
        metavar="N",
        help="code files that peers read (default 400); ours reads all",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the held-out sets (default 1)")
    parser.add_argument(
        "--per-type", type=int, default=40, metavar="N", help="held-out values of each type and disguise (default 40)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    parser.add_argument(
        "--update", type=Path, metavar="FILE", help="replace the tables of this document (docs/evaluation.md)"
    )
    parser.add_argument("--failures", type=Path, metavar="FILE", help="write our misses and false findings there")
    return parser.parse_args(args)


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return names


def peers(options: argparse.Namespace, console: Console) -> list[eval_tools.Peer]:
    """The peers, or none with a line that says why."""
    if options.no_peers:
        return []
    if not eval_tools.installed():
        console.print("[yellow]The peers are not installed (`make peers`): ours is measured alone")
        return []
    return [eval_tools.presidio(options.presidio_score), eval_tools.detect_secrets()]


def plan(sets: eval_sets.Sets, tool: eval_tools.Tool, code_files: int) -> Iterator[tuple[str, Sequence[Sample]]]:
    """What a tool reads: personal data for Presidio, secrets for detect-secrets, benign texts for both."""
    ours = tool.name == "outpost"
    if ours or tool.name == "presidio":
        yield from ((one.name, one.samples) for one in sets.labelled)
    if ours or tool.name == "detect-secrets":
        yield from sets.secrets.items()
    yield from sets.benign.items()
    for name, samples in sets.code.items():
        yield name, samples if ours else samples[:code_files]


def measure(tool: eval_tools.Tool, sets: eval_sets.Sets, code_files: int, console: Console) -> Measured:
    """What a tool finds in each text, with progress shown."""
    found: dict[str, list[list[Found]]] = {}
    cpu_s: dict[str, list[float]] = {}
    for name, samples in plan(sets, tool, code_files):
        shown = track(samples, f"{tool.name}: {name}", console=console, transient=True)
        answers = [tool.find(sample) for sample in shown]
        found[name], cpu_s[name] = [one for one, _ in answers], [seconds for _, seconds in answers]
    return Measured(tool.name, tool.kinds, found, cpu_s)


def main(args: Sequence[str] | None = None) -> None:
    options = arguments(args)
    console = Console(stderr=True)
    sets = eval_sets.read(
        options.data, options.only, lambda name: console.print(f"[yellow]{name} is not here: left out")
    )
    with ExitStack() as stack:
        others = [stack.enter_context(peer) for peer in peers(options, console)]
        tools: list[eval_tools.Tool] = [eval_tools.Outpost(), *others]
        results = [measure(tool, sets, options.code_files, console) for tool in tools]
    tables, lines = eval_report.tables(sets, results), list(eval_report.failures(sets, results[0]))
    if "held-out" in options.only:
        for generation in (1, 2):
            more, failed = eval_held_out.measure(options.seed, options.per_type, generation, console)
            tables, lines = [*tables, *more], [*lines, *failed]
    console = output()
    for table in tables:
        console.print(table.rich())
    if options.markdown:
        options.markdown.write_text("\n".join(map(Table.markdown, tables)), "utf-8")
    if options.update:
        document = options.update.read_text("utf-8")
        for table in tables:
            document = table.put_into(document)
        options.update.write_text(document, "utf-8")
    if options.failures:
        options.failures.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), "utf-8")


if __name__ == "__main__":
    main()
