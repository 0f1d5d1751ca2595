"""`anadil bench train`."""

import json
from pathlib import Path

from anadil.bench.compare import RESULT, compare, table
from anadil.bench.plot import draw
from anadil.bench.ways import WAYS, Work, available
from anadil.commands.run import context_of
from anadil.errors import UserError
from anadil.progress import to_stderr
from anadil.recipe import Run
from anadil.tokenizer.shards import TokenShards

ON_CPU, ON_GPU = 4096, 16_384


def bench_train(
    model: Path, tokens: Path | None, out: Path, ways: list[str], rounds: int, updates: int, run: Run, *,
    sequence_length: int, global_batch_tokens: int, precision: str, as_json: bool,
) -> None:  # fmt: skip
    """Measure and print a table, or what is in train.json."""
    context = context_of(run)
    known = available(context.device)
    if wrong := [way for way in ways if way not in WAYS]:
        raise UserError(f"no way {wrong[0]!r} to train", hint=f"there are {', '.join(known)}")
    if absent := [way for way in ways if way not in known]:
        raise UserError(f"{absent[0]!r} cannot be tried on {context.device}", hint=f"here: {', '.join(known)}")
    micro = context.micro_batch_tokens or (ON_GPU if context.device.startswith("cuda") else ON_CPU)
    work = Work(
        str(model.resolve()), str(tokens.resolve()) if tokens else None, context.device, context.threads,
        sequence_length, global_batch_tokens, min(micro, global_batch_tokens), precision, updates,
    )  # fmt: skip
    words = TokenShards(tokens).words_per_token() if tokens else None
    result = compare(ways or known, work, out, rounds, words, to_stderr())
    picture = draw(result, out)
    print(json.dumps(result, indent=2) if as_json else f"{table(result)}\n\n{out / RESULT}\n{picture}")
