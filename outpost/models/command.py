"""``outpost models``: list, verify, measure and import model packs. Needs no outpost and no control plane.

Exit codes: 0 ok; 1 a pack is not what it should be; 2 usage.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.options import SessionOptions
from outpost.models.pack import Pack, find_packs, open_pack, verify_files
from outpost.models.quota import usable_processors
from outpost.protocol.model_provider import Provider

models_cli = typer.Typer(
    help="List, verify, measure and import model packs.",
    epilog="Example: outpost models verify default",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
ListedFolder = Annotated[
    Path | None,
    typer.Argument(help="A pack, or a folder of packs. Default: the pack that ships, and those in ./models."),
]
ProviderOption = Annotated[Provider, typer.Option("--provider", help="Where it runs.")]


@models_cli.command("list", epilog="Example: outpost models list models/")
def list_command(folder: ListedFolder = None, *, as_json: JsonOption = False) -> None:
    """List packs: name, version, licence, size and what they find. Only cards are read; ``verify`` reads everything."""
    rows = []
    failed = False
    for path in find_packs(folder) if folder else (*find_packs(Path("default")), *find_packs(Path("models"))):
        try:
            rows.append(_described(open_pack(path)))
        except PackInvalid as err:
            failed = True
            rows.append({"folder": str(path), "error": str(err)})
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_packs(folder, rows)
    if failed:
        raise typer.Exit(1)


@models_cli.command("verify", epilog="Example: outpost models verify default --provider cpu")
def verify_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a pack, or 'default'.")],
    *,
    provider: ProviderOption = Provider.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Verify every file by the card, load the graph, run it, and compare its inputs and outputs with the card."""
    from outpost.models.runners import Loaded  # noqa: PLC0415 - half a second that other commands need not wait

    try:
        pack = open_pack(folder)
        verify_files(pack)
        loaded = Loaded(folder, SessionOptions(provider))
    except (PackInvalid, ModelUnavailable) as err:
        if as_json:
            typer.echo(json.dumps({"ok": False, "error": str(err)}))
            raise typer.Exit(1) from err
        _refuse(str(err))
    if as_json:
        row = {"ok": True, "provider": str(loaded.session.provider), **_described(pack)}
        typer.echo(json.dumps(row, indent=2))
    else:
        typer.echo(f"{pack.label}: whole, and runs on {loaded.session.provider}")


@models_cli.command(
    "import", epilog="Example: outpost models import deberta/ models/ner --licence MIT --map PER=pii.person"
)
def import_command(
    source: Annotated[Path, typer.Argument(help="Folder with config.json, tokenizer.json and model.onnx.")],
    target: Annotated[Path, typer.Argument(help="The pack to make; its last part is its name.")],
    *,
    licence: Annotated[str, typer.Option(help="Of the weights, as SPDX expression.")],
    labels: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=KIND: what a label (without B- or I-) finds; repeatable.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="From which probability a label counts.")] = 0.5,
    window: Annotated[int, typer.Option(min=16, max=8192, help="Most tokens read at once.")] = 256,
) -> None:
    """Make a pack of a network as Hugging Face exports it: DeBERTa-v2 and v3, BERT, XLM-R and relatives.

    PER, PERSON, ORG, LOC, GPE, INJECTION and JAILBREAK are known; other labels count where --map says as what.
    """
    from outpost.models.foreign import Wishes, import_folder  # noqa: PLC0415 - as above

    kinds = dict(pair.partition("=")[::2] for pair in labels or ())
    if not all(kinds.values()):
        raise typer.BadParameter("--map takes LABEL=KIND")
    wishes = Wishes(target.name, licence, kinds=kinds, threshold=threshold, window_tokens=window)
    try:
        card = import_folder(source, target, wishes)
    except (PackInvalid, ModelUnavailable) as err:
        _refuse(str(err))
    head = card.heads[0]
    found = ", ".join(f"{label} as {kind}" for label, kind in head.kinds.items() if kind is not None)
    typer.echo(f"{target}: {head.kind}, windows of {card.window.max_tokens} tokens, finds {found}")


@models_cli.command("bench", epilog="Example: outpost models bench default --provider cuda --json")
def bench_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a pack, or 'default'.")],
    *,
    provider: ProviderOption = Provider.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="Processors; 0 means as many as this container may use.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.01, max=60, help="For each point.")] = 0.5,
    batches: Annotated[str, typer.Option(help="How many windows run at once, for the curve.")] = "1,4,16,64",
    as_json: JsonOption = False,
) -> None:
    """Measure latency, throughput and memory: windows by length and batch, and texts from one end to the other."""
    from outpost.models.bench import measure  # noqa: PLC0415 - as above

    try:
        counts = tuple(int(part) for part in batches.split(","))
    except ValueError as err:
        raise typer.BadParameter("--batches takes numbers, such as 1,4,16") from err
    if not counts or min(counts) < 1:
        raise typer.BadParameter("--batches takes numbers from 1 on")
    try:
        report = measure(
            folder,
            SessionOptions(provider),
            runners=threads or usable_processors(),
            seconds=seconds,
            batches=counts,
        )
    except (PackInvalid, ModelUnavailable) as err:
        _refuse(str(err))
    content = asdict(report)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
    else:
        _print_report(content)


def _described(pack: Pack) -> dict[str, Any]:
    card = pack.card
    size_bytes = sum((pack.folder / name).stat().st_size for name in card.files if (pack.folder / name).is_file())
    return {
        "folder": str(pack.folder),
        "name": card.name,
        "version": card.version,
        "digest": pack.digest,
        "licence": card.licence,
        "size_bytes": size_bytes,
        "window_tokens": card.window.max_tokens,
        "heads": {head.name: str(head.kind) for head in card.heads},
        "kinds": sorted(card.kinds),
    }


def _print_packs(folder: Path | None, rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo(f"{folder or 'outpost'}: no pack is here", err=True)
        return
    table = Table("pack", "version", "licence", "MiB", "finds", "folder")
    for row in rows:
        if "error" in row:
            table.add_row("refused", "", "", "", row["error"], row["folder"])
        else:
            size = f"{row['size_bytes'] / (1 << 20):.1f}"
            table.add_row(row["name"], row["version"], row["licence"], size, ", ".join(row["kinds"]), row["folder"])
    Console().print(table)


def _print_report(content: dict[str, Any]) -> None:
    typer.echo(
        f"{content['pack']} on {content['provider']}, {content['runners']} runners: "
        f"loaded in {content['load_s']:.2f} s, {content['rss_mb']:.0f} MiB; "
        f"company in a batch moves logits by up to {content['batch_drift']:.2g}"
    )
    for title, first in (("windows", ("tokens", "windows")), ("texts", ("chars", "tokens", "windows"))):
        table = Table(*first, "p50 ms", "p95 ms", "cpu ms", "tokens/s", title=title)
        for point in content[title]:
            figures = [f"{point[name]:.2f}" for name in ("p50_ms", "p95_ms", "cpu_ms")]
            table.add_row(*(str(point[name]) for name in first), *figures, f"{point['tokens_per_s']:.0f}")
        Console().print(table)


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
