"""Contexts to calibrate on: hidden states of the base over its training text, every language the same number."""

from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.model.load import hidden_and_head
from anadil.tokenizer.chat import encode_plain
from anadil.transfer.rows import Contexts

DOCUMENT_TOKENS = 256
_CHARACTERS_PER_TOKEN = 16


def sample_contexts(
    model: PreTrainedModel, tokenizer: Tokenizer, corpus: Path, tokens: int, context: Context
) -> Contexts:
    """About `tokens` contexts under the base's `tokenizer`: beginnings of training documents. Each language has the
    same weight, whatever there is of it, so that the language trained on most does not take all from the others."""
    body, head_VD = hidden_and_head(model)
    hidden: list[Tensor] = []
    partitions: list[Tensor] = []
    weights: list[Tensor] = []
    languages = _by_language(corpus)
    torch.set_num_threads(context.threads)
    with torch.no_grad(), context.progress.task("hidden states", tokens, "tokens") as task:
        for names in languages.values():
            read = 0
            for ids in _documents(corpus, names, tokenizer, tokens // len(languages)):
                hidden_TD = body(input_ids=ids[None].to(context.device), use_cache=False).last_hidden_state[0]
                hidden.append(hidden_TD.float().cpu())
                partitions.append(torch.logsumexp((hidden_TD @ head_VD.T).float(), 1).cpu())
                read += len(ids)
                task.advance(len(ids))
            weights.append(torch.full((read,), 1.0 / max(1, read)))
    weights_N = torch.cat(weights)
    return Contexts(torch.cat(hidden), torch.cat(partitions), weights_N / weights_N.sum())


def _by_language(corpus: Path) -> dict[str, dict[str, int]]:
    """Names of the sources that are trained on, with their bytes, by language."""
    found: dict[str, dict[str, int]] = {}
    for source in sources(corpus):
        if source["weight"] > 0 and source["train"]["documents"]:
            found.setdefault(source["language"], {})[source["name"]] = source["train"]["bytes"]
    return found


def _documents(corpus: Path, sizes: dict[str, int], tokenizer: Tokenizer, tokens: int) -> Iterator[Tensor]:
    """Beginnings of training documents, from each source by its share of the language's bytes."""
    for name, size in sizes.items():
        room = round(tokens * size / sum(sizes.values()))
        for text in texts(corpus, name, "train"):
            beginning = text[: DOCUMENT_TOKENS * _CHARACTERS_PER_TOKEN]
            ids = encode_plain(tokenizer, beginning)[: min(DOCUMENT_TOKENS, room)]
            room -= len(ids)
            if len(ids) > 1:
                yield torch.tensor(ids)
            if room < 2:
                break
