"""A process of a group that trains the tiny model: what tests of more than one process run."""

import json
import sys
from pathlib import Path

import torch
from tests.train.tiny import SHAPE, VOCAB

from anadil.context import Context
from anadil.errors import Interrupted
from anadil.model import load, ranks, sharding
from anadil.recipe import Optimisation
from anadil.tokenizer.shards import TokenShards
from anadil.train import loop
from anadil.train.data import Windows, batch


def main(options: dict[str, object]) -> None:
    ranks.join("cpu")
    try:
        with ranks.company():
            train(options)
    finally:
        ranks.leave()


def train(options: dict[str, object]) -> None:
    try:
        asked = iter(range(1, 1000))
        stop_after = options.get("stop_after")
        context = Context(
            stop_requested=lambda: stop_after is not None and next(asked) >= int(str(stop_after)),
            micro_batch_tokens=int(str(options.get("micro", 64))),
            shard=options.get("shard", "auto"),  # type: ignore[arg-type]
            fingerprint="f",
        )
        settings = Optimisation.model_validate(options["settings"])
        windows = Windows(TokenShards(Path(str(options["tokens"]))), settings.sequence_length, seed=1)
        model = load.from_shape(SHAPE, VOCAB, seed=1, tied=bool(options.get("tied", True)))
        out, rows = Path(str(options["out"])), loop.batch_rows(settings)
        loop.train(
            model,
            lambda step: batch(windows, step, rows),
            settings,
            out,
            context,
            steps=int(str(options["steps"])),
            seed=1,
        )
        state = sharding.whole_state(model)
        if ranks.world()[0] == 0:
            torch.save(state, out / "weights.pt")
    except Interrupted:
        pass


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
