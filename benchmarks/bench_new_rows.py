"""Do new rows need a phase of their own? Ways to spend the first seconds after transfer, at equal seconds in all.

    python benchmarks/bench_new_rows.py --base runs/proxy-base/export/hf --work work

`--work` is that of bench_transfer.py (its first round). Each way gets the same total of update-seconds, timed in turns
before: a share on the new rows alone, the rest on the whole model.

- none: the whole model from the first update
- settle: next-token loss, gradient to the new rows only
- distill: hidden states of the base on the old cut of the same text, matched where both cuts end at the same byte
  (mean squared error over its variance), gradient to the new rows only; after "Token Distillation"
  (https://arxiv.org/abs/2505.20133), but the final layer and every common boundary
- distill+next: the sum of both losses

Appends a row to results/new_rows.jsonl.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from anadil.bootstrap import paired_change
from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.environment import describe
from anadil.model import load
from anadil.model.load import hidden_and_head
from anadil.model.loss import linear_cross_entropy
from anadil.model.score import score_documents
from anadil.progress import to_stderr
from anadil.recipe import Optimisation
from anadil.tokenizer.chat import BOS, control_id, encode_plain
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.shards import TokenShards
from anadil.train.data import Windows, batch
from anadil.train.loop import batch_rows, time_steps
from anadil.train.optim import adamw
from anadil.transfer.move import move

ROWS = Path(__file__).parent / "results" / "new_rows.jsonl"
WAYS = ("none", "settle", "distill", "distill+next")
SNIPPET = 400
"""Characters of a text in a distillation batch."""
SNIPPETS = 48
TRAINING = Optimisation(sequence_length=256, global_batch_tokens=8192, learning_rate=1e-3, min_learning_rate_ratio=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--updates", type=int, default=60, help="whole-model updates that the total is worth")
    parser.add_argument("--share", type=float, default=0.2, help="of the total, on the new rows alone")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(2)
    place = Place(options.base, options.work / "inplace-0")
    costs = place.costs()
    sentences = {"target": _sentences("azj_Latn"), "original": _sentences("eng_Latn")}
    found: dict[str, dict[str, list[list[float]]]] = {way: {"target": [], "original": []} for way in WAYS}
    for seed, way in itertools.product(range(1, options.seeds + 1), WAYS):
        alone = 0 if way == "none" else round(options.share * options.updates * costs["whole"] / costs[way])
        whole = options.updates if way == "none" else round((1 - options.share) * options.updates)
        model = place.trained(way, alone, whole, seed)
        for name, some in sentences.items():
            found[way][name].append(place.nats(model, some))
        print(way, seed, alone, whole, {n: round(_bits(found[way][n][-1], s), 4) for n, s in sentences.items()})
    row = {"what": "new rows", "updates": options.updates, "share": options.share, "seconds": costs, "ways": {}}
    for way, name in itertools.product(WAYS, sentences):
        mean = [statistics.fmean(values) / math.log(2) for values in zip(*found[way][name], strict=True)]
        none = [statistics.fmean(values) / math.log(2) for values in zip(*found["none"][name], strict=True)]
        sizes = [len(text.encode()) for text in sentences[name]]
        change = vars(paired_change((none, sizes), (mean, sizes)))
        facts = {"by_seed": [_bits(nats, sentences[name]) for nats in found[way][name]], "change_from_none": change}
        row["ways"].setdefault(way, {})[name] = facts  # type: ignore[index]
    row["environment"] = describe()
    print(json.dumps(row, indent=1))
    with open(ROWS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


class Place:
    """The base, its moved twin, and the text of a round of bench_transfer.py."""

    def __init__(self, base: Path, work: Path):
        self.base_folder, self.tokenizer_folder, self.corpus = base, work / "tokenizer", work / "corpus"
        self.shards = TokenShards(work / "encode")
        self.old, self.new = load_tokenizer(base), load_tokenizer(self.tokenizer_folder)
        self.base = load.load(base)

    def moved(self) -> tuple[PreTrainedModel, list[int]]:
        model = load.load(self.base_folder)
        _, new = move(
            model, self.base_folder, self.corpus, self.tokenizer_folder, self.shards,
            method="calibrated", sample_tokens=16_384, seed=1, context=Context(threads=2),
        )  # fmt: skip
        return model, new

    def costs(self) -> dict[str, float]:
        """Median seconds of an update of each kind, timed in turns."""
        times: dict[str, list[float]] = {}
        for _ in range(3):
            model, new = self.moved()
            times.setdefault("whole", []).extend(
                time_steps(model, self.batches(0), TRAINING, Context(threads=2), steps=4)[1:]
            )
            for way in WAYS[1:]:
                model, new = self.moved()
                times.setdefault(way, []).extend(self.alone(model, new, way, 4, seed=0)[1:])
        return {way: statistics.median(values) for way, values in times.items()}

    def batches(self, seed: int) -> Callable[[int], Any]:
        windows, rows = Windows(self.shards, TRAINING.sequence_length, seed), batch_rows(TRAINING)
        return lambda step: batch(windows, step, rows)

    def trained(self, way: str, alone: int, whole: int, seed: int) -> PreTrainedModel:
        model, new = self.moved()
        self.alone(model, new, way, alone, seed)
        # its updates are those of the loop: constant rate, warmed up over the first tenth
        settings = TRAINING.model_copy(update={"schedule": "wsd", "warmup_share": 0.1})
        time_steps(model, self.batches(seed), settings, Context(to_stderr(), threads=2), steps=whole)
        return model

    def alone(self, model: PreTrainedModel, new: list[int], way: str, steps: int, seed: int) -> list[float]:
        """Updates of the new rows alone; seconds of each."""
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        table = model.get_input_embeddings().weight
        table.requires_grad_(True)
        mask = torch.zeros(len(table), 1)
        mask[new] = 1.0
        hook = table.register_hook(mask.mul)
        optimizer = adamw(model, TRAINING)
        snippets, batches, seconds = self.snippets(seed), self.batches(seed), []
        for step in range(steps):
            began = time.monotonic()
            with torch.autocast("cpu", torch.bfloat16):
                loss = (
                    self.next_token(model, batches(step))
                    if way == "settle"
                    else self.distilled(model, next(snippets), way)
                )
            loss.backward()
            nn.utils.clip_grad_norm_([table], 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            seconds.append(time.monotonic() - began)
        hook.remove()
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return seconds

    def next_token(self, model: PreTrainedModel, some: Any) -> Tensor:
        body, head = hidden_and_head(model)
        hidden = body(input_ids=some.input_ids_BT, position_ids=some.position_ids_BT, use_cache=False).last_hidden_state
        total, labelled = linear_cross_entropy(hidden.flatten(0, 1), head, some.labels_BT.flatten())
        return total / labelled

    def snippets(self, seed: int) -> Iterator[list[str]]:
        """Batches of beginnings of the target's training documents, in an order of their own."""
        names = [source["name"] for source in sources(self.corpus) if source["language"] == "az"]
        every = [text for name in names for text in texts(self.corpus, name, "train")]
        order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed)).tolist()
        cut = (every[place][:SNIPPET] for place in itertools.cycle(order))
        while True:
            yield list(itertools.islice(cut, SNIPPETS))

    def distilled(self, model: PreTrainedModel, some: list[str], way: str) -> Tensor:
        old, new = Cut(self.old, some), Cut(self.new, some)
        body, head = hidden_and_head(model)
        with torch.no_grad():
            wanted = hidden_and_head(self.base)[0](input_ids=old.ids, use_cache=False).last_hidden_state.float()
        hidden = body(input_ids=new.ids, use_cache=False).last_hidden_state
        pairs = [
            (row, old.ends[row][end], place)
            for row in range(len(some))
            for end, place in new.ends[row].items()
            if end in old.ends[row]
        ]
        rows, there, here = (torch.tensor(column) for column in zip(*pairs, strict=True))
        target = wanted[rows, there]
        loss = (hidden[rows, here].float() - target).square().sum(1).mean() / target.var(0).sum()
        if way == "distill":
            return loss
        labels = torch.where(new.is_text[:, 1:], new.ids[:, 1:], -100)
        total, labelled = linear_cross_entropy(hidden[:, :-1].flatten(0, 1), head, labels.flatten())
        return loss + total / labelled

    def nats(self, model: PreTrainedModel, some: list[str]) -> list[float]:
        bos = control_id(self.new, BOS)
        return score_documents(model, [[bos, *encode_plain(self.new, text)] for text in some])


class Cut:
    """Texts under a tokenizer, BOS first, padded on the right; per text the place of the token that ends at a byte."""

    def __init__(self, tokenizer: Any, some: list[str]):
        bos = control_id(tokenizer, BOS)
        names = _names(tokenizer)
        rows = [[bos, *encode_plain(tokenizer, text)] for text in some]
        longest = max(len(row) for row in rows)
        self.ids = torch.tensor([row + [bos] * (longest - len(row)) for row in rows])
        self.is_text = torch.tensor([[place < len(row) for place in range(longest)] for row in rows])
        self.ends = []
        for row in rows:  # a token in the byte-level alphabet has as many characters as bytes
            ends = itertools.accumulate(len(names[identifier]) for identifier in row[1:])
            self.ends.append({end: place for place, end in enumerate(ends, 1)})


@cache
def _names(tokenizer: Any) -> dict[int, str]:
    return {identifier: name for name, identifier in tokenizer.get_vocab(with_added_tokens=True).items()}


def _sentences(code: str) -> list[str]:
    lines = (
        (Path(os.environ["ANADIL_DATA"]) / "eval" / "sib200_flores" / f"{code}_train.jsonl").read_text().splitlines()
    )
    return [json.loads(line)["text"] for line in lines[:300]]


def _bits(nats: list[float], some: list[str]) -> float:
    return sum(nats) / math.log(2) / sum(len(text.encode()) for text in some)


if __name__ == "__main__":
    main()
