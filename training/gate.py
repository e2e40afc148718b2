"""Would a cheap gate before the full encoder pay? Measured, and not built: what it lets go safely is hardly anything.

    PYTHONHASHSEED=0 python -m training.gate --data ../shared/data --run build/model

A gate reads the hidden states after the first few layers (mean and maximum over the tokens) with a small network that
is taught whether the whole model reports anything in the window. Printed for each depth: of held-back windows in which
nothing is reported, the share that it lets go while it keeps the stated share of the others.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everyone uses
from transformers.utils import logging as transformers_logging

from training.export import load
from training.mixture import Mixture, Sources
from training.model import Guard
from training.train import base_tokenizer, encoded, inputs

DEPTHS = (0, 1, 2, 3)
KEPT = (0.999, 0.995, 0.99)
ENTITY_SCORE, ATTACK_SCORE = 0.4, 0.5  # about where the lowest thresholds are
_BATCH, _PASSES, _WIDTH = 64, 12, 64


def seen(guard: Guard, sources: Sources, rows: int, seed: int, *, development: bool) -> tuple[list[Tensor], Tensor]:
    """For each depth what a gate reads of each window, and whether the whole model reports anything there."""
    mixture = Mixture(sources, seed, development=development)
    items = encoded(base_tokenizer(), list(mixture.rows(rows)), random.Random(seed))  # noqa: S311 - no secret
    items.sort(key=lambda item: len(item.ids))
    pooled: list[list[Tensor]] = [[] for _ in DEPTHS]
    reported: list[Tensor] = []
    for at in range(0, len(items), 16):
        ids, mask, shape_ids = inputs(items[at : at + 16])
        embedded = guard.encoder.embeddings.word_embeddings(ids) + guard.shape(shape_ids)
        states = guard.encoder(inputs_embeds=embedded, attention_mask=mask, output_hidden_states=True).hidden_states
        entities = guard.entities(states[-1]).softmax(-1)[..., 0]
        attacks = guard.attacks(states[-1], mask)[:, 1:].sigmoid().amax(1)
        reported.append((((1 - entities) * mask).amax(1) > ENTITY_SCORE) | (attacks > ATTACK_SCORE))
        inside = mask.unsqueeze(-1)
        for place, depth in enumerate(DEPTHS):
            hidden = states[depth]
            mean = (hidden * inside).sum(1) / inside.sum(1)
            pooled[place].append(torch.cat([mean, hidden.masked_fill(inside == 0, -9.0).amax(1)], 1))
    return [torch.cat(parts) for parts in pooled], torch.cat(reported)


def scores(taught: Tensor, reported: Tensor, tried: Tensor) -> np.ndarray:
    """Of each window of ``tried`` how sure a gate is that something is in it."""
    mean, deviation = taught.mean(0), taught.std(0) + 1e-3
    taught, tried = (taught - mean) / deviation, (tried - mean) / deviation
    gate = nn.Sequential(nn.Linear(taught.shape[1], _WIDTH), nn.GELU(), nn.Linear(_WIDTH, 1))
    optimizer = torch.optim.AdamW(gate.parameters(), 1e-3, weight_decay=0.05)
    with torch.enable_grad():
        for _ in range(_PASSES):
            for some in torch.randperm(len(taught)).split(_BATCH):
                loss = F.binary_cross_entropy_with_logits(gate(taught[some]).squeeze(-1), reported[some].float())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return np.asarray(gate(tried).squeeze(-1))


def let_go(judged: np.ndarray, reported: np.ndarray) -> Iterator[tuple[float, float]]:
    """For each share of windows with something that is kept, the share of the others that is let go."""
    something = np.sort(judged[reported])
    for kept in KEPT:
        yield kept, float((judged[~reported] < something[int(len(something) * (1 - kept))]).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=8_000)
    args = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.set_grad_enabled(mode=False)
    guard, sources = load(args.run), Sources(args.data)
    taught, known = seen(guard, sources, args.rows, 11, development=False)
    tried, wanted = seen(guard, sources, args.rows // 2, 12, development=True)
    held = wanted.numpy()
    print(f"{len(held)} held-back windows, in {held.mean():.3f} of them something is reported")
    for place, depth in enumerate(DEPTHS):
        found = let_go(scores(taught[place], known, tried[place]), held)
        print(f"after {depth} layers: " + ", ".join(f"{share:.3f} let go at {kept} kept" for kept, share in found))


if __name__ == "__main__":
    main()
