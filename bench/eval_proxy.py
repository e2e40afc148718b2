"""Tier-1 detection through the running proxy: every sentence of a labelled set as a real request to real processes.

Control plane, outpost and stand-in provider run as processes with the default policy; findings are read from the audit
log, by request id, so what is measured is what would have been enforced. Same counting as ``bench/eval.py``, and the
findings of the engine alone are compared.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import track

from bench import eval_report, eval_sets
from bench.eval_metrics import Found, Measured
from bench.eval_sets import Sample
from bench.eval_tables import output
from bench.eval_tools import Outpost
from outpost.audit.event import MAX_FINDINGS
from outpost.audit.read import read_events
from outpost.demo.stage import Stage


def findings_of(stage: Stage, samples: Sequence[Sample]) -> list[list[Found]]:
    """What the outpost found in each text, as the only message of a chat."""
    asked: dict[str, int] = {}
    headers = {"Authorization": f"Bearer {stage.api_key}"}
    with httpx.Client(timeout=30, trust_env=False) as client:
        for index, sample in enumerate(track(samples, "asking", console=Console(stderr=True), transient=True)):
            body = {"model": stage.provider.model, "messages": [{"role": "user", "content": sample.text}]}
            answer = client.post(f"{stage.base_url}/chat/completions", json=body, headers=headers)
            if answer.status_code not in {httpx.codes.OK, httpx.codes.FORBIDDEN}:
                raise SystemExit(f"text {index} was answered {answer.status_code}")
            asked[answer.headers["x-request-id"]] = index
    found: dict[int, list[Found]] = {}
    for _, event in read_events(stage.outpost_data / "audit.db"):
        if event.kind != "decision" or event.request_id not in asked:
            continue
        if len(event.findings) >= MAX_FINDINGS:
            raise SystemExit("an event does not list all its findings")
        # The message is the first inspected text of the body, with nothing before it.
        mine = [Found(f.kind, f.start, f.end) for f in event.findings if f.segment == 0]
        found[asked[event.request_id]] = mine
    if missing := len(samples) - len(found):
        raise SystemExit(f"{missing} requests have no decision in the audit log")
    return [found[index] for index in range(len(samples))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.eval_proxy", description=__doc__)
    parser.add_argument("--data", type=Path, default=eval_sets.DEFAULT, help="folder of the public sets")
    data = parser.parse_args().data
    sentences = eval_sets.labelled(data, eval_sets.LABELLED[0])
    if sentences is None:
        raise SystemExit(f"{eval_sets.LABELLED[0]} is not in {data}")
    with tempfile.TemporaryDirectory(prefix="outpost-eval-") as directory:
        stage = Stage(Path(directory))
        try:
            stage.start_provider()
            stage.init_control_plane()
            stage.serve_control_plane()
            stage.enrol("eval")
            stage.run_outpost()
            found = findings_of(stage, sentences.samples)
        finally:
            stage.close()
    proxy = Measured("proxy", frozenset(), {sentences.name: found}, {})
    console = output()
    for table in eval_report.tables(eval_sets.Sets((sentences,)), [proxy]):
        console.print(table.rich())
    engine = Outpost()
    other = sum(
        sorted(engine.find(sample)[0]) != sorted(mine) for sample, mine in zip(sentences.samples, found, strict=True)
    )
    console.print(f"{other} of {len(found)} texts have other findings than the engine alone gives.")


if __name__ == "__main__":
    main()
