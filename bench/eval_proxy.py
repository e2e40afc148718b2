"""Tier-1 detection through the running proxy: every sentence of a labelled set as a real request to real processes.

    python -m bench.eval_proxy [--data ../shared/data]

Control plane, outpost and stand-in provider run as processes; findings are read from the audit log, by request
id, so what is measured is what would have been enforced. Same counting as ``bench/eval_dlp.py``.
"""

import argparse
import tempfile
from pathlib import Path

import httpx
from rich.progress import track

from bench.eval_dlp import evaluate, exact, load, markdown
from outpost.audit.event import MAX_FINDINGS
from outpost.audit.read import read_events
from outpost.demo.stage import Stage
from outpost.protocol.findings import Finding


def findings_of(stage: Stage, rows: list[dict]) -> dict[str, list[Finding]]:
    """By text, what the outpost found in it as the only message of a chat."""
    asked: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {stage.api_key}"}
    with httpx.Client(timeout=30, trust_env=False) as client:
        for row in track(rows, description="asking"):
            body = {"model": stage.provider.model, "messages": [{"role": "user", "content": row["text"]}]}
            answer = client.post(f"{stage.base_url}/chat/completions", json=body, headers=headers)
            if answer.status_code not in {httpx.codes.OK, httpx.codes.FORBIDDEN}:
                raise SystemExit(f"row {row['id']} was answered {answer.status_code}")
            asked[answer.headers["x-request-id"]] = row["text"]
    found: dict[str, list[Finding]] = {}
    for _, event in read_events(stage.outpost_data / "audit.db"):
        if event.kind != "decision" or event.request_id not in asked:
            continue
        if len(event.findings) >= MAX_FINDINGS:
            raise SystemExit("an event does not list all its findings")
        # The message is the first inspected text of the body, with nothing before it.
        mine = [Finding(f.kind, f.start, f.end, f.score, f.detector) for f in event.findings if f.segment == 0]
        found[asked[event.request_id]] = mine
    missing = set(asked.values()) - found.keys()
    if missing:
        raise SystemExit(f"{len(missing)} requests have no decision in the audit log")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    rows = load(parser.parse_args().data)
    with tempfile.TemporaryDirectory(prefix="outpost-eval-") as directory:
        stage = Stage(Path(directory))
        try:
            stage.start_provider()
            stage.init_control_plane()
            stage.serve_control_plane()
            stage.enrol("eval")
            stage.run_outpost()
            found = findings_of(stage, rows)
        finally:
            stage.close()
    print(
        f"{len(rows)} sentences through the proxy, overlap matching:\n\n{markdown(evaluate(found.__getitem__, rows))}\n"
    )
    print(f"exact spans:\n\n{markdown(evaluate(found.__getitem__, rows, exact))}")


if __name__ == "__main__":
    main()
