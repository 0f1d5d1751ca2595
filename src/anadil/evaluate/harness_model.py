"""A loaded model as lm-evaluation-harness asks it, with our own token ids.

The harness's way from text to ids turns typed control tokens into real ones, leaves out BOS before a text that begins
with its name, and loses a line break that a prompt ends with. Here the ids of a prompt with its answer are those of
the whole text: BOS once, and nothing else that is not text.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from anadil.errors import UserError
from anadil.model.score import LONGEST_CONTEXT
from anadil.progress import Progress
from anadil.tokenizer.chat import END_TURN, EOS, encode_plain

MOST_TOKENS, MOST_LOGITS = 8192, 2**27
"""Of one forward pass, unless one text has more. The harness holds logits twice, in float32: 1 GiB."""
GENERATED_TOGETHER = 16


class HarnessModel(HFLM):  # type: ignore[misc]
    """`label` names the bar of the next run; `truncated` are the prompts that the model's context had no room for."""

    batch_size_per_gpu: int | str

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, first_id: int, progress: Progress):
        self._encoder, self._first_id, self._progress = tokenizer, first_id, progress
        self._end_ids = _end_ids(model, tokenizer) or [first_id]
        self.label, self.truncated = "tasks", set[str]()
        begin, end = tokenizer.id_to_token(first_id), tokenizer.id_to_token(self._end_ids[0])
        names = {"bos_token": begin, "eos_token": end, "pad_token": end}
        wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **names
        )
        longest = getattr(model.config, "max_position_embeddings", None) or LONGEST_CONTEXT
        super().__init__(
            pretrained=model,
            tokenizer=wrapped,
            prefix_token_id=first_id,
            softmax_dtype="float32",
            max_length=min(LONGEST_CONTEXT, longest),
        )

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Ids of a text, after BOS unless `add_special_tokens` is False."""
        ids = encode_plain(self._encoder, string)
        return ids if add_special_tokens is False else [self._first_id, *ids]

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """The ids of both together, cut where they cease to be those of the context, without spaces at its end, alone:
        these belong to the word that follows."""
        before, whole = self.tok_encode(context.rstrip(" ")), self.tok_encode(context + continuation)
        same = [one == other for one, other in zip(before, whole, strict=False)]
        shared = same.index(False) if False in same else len(same)
        over = len(whole) - 1 - self.max_length  # the last is only predicted
        if over <= 0:
            return whole[:shared], whole[shared:]
        if shared <= over:
            what = f"a choice of {len(whole) - shared} tokens does not fit in the model's {self.max_length}"
            raise UserError(f"{self.label}: {what}", hint=f"leave out the question with {continuation[:60]!r}")
        self.truncated.add(context)
        return whole[:1] + whole[1 + over : shared], whole[shared:]

    def tok_batch_encode(
        self, strings: Sequence[str], padding_side: str = "left", left_truncate_len: int | None = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        """Ids and mask, [strings, tokens], padded on the left; what is too long loses the words after BOS."""
        rows = [self.tok_encode(string) for string in strings]
        room = left_truncate_len or self.max_length
        self.truncated |= {string for string, row in zip(strings, rows, strict=True) if len(row) > room}
        rows = [row[:1] + row[1:][-(room - 1) :] if len(row) > room else row for row in rows]
        width = max(map(len, rows))
        ids = torch.tensor([[self._end_ids[0]] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return ids, mask

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """See `HFLM`; without its bars."""
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return found

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
        """See `HFLM`; choices of one token share a pass. Each pass is as large as memory allows."""
        sizes: dict[tuple[int, ...], set[int]] = {}
        for _name, context, choice in requests:
            sizes.setdefault(tuple(context + choice[:-1]), set()).add(len(choice))
        # the harness takes the wrong ones of shared logits where the same text is cut in two ways
        self.logits_cache = all(len(some) == 1 for some in sizes.values())
        self.batch_size_per_gpu = "auto"  # asks `_batch_scheduler`
        with self._bar(len(sizes) if self.logits_cache else len(requests), "texts"):
            found: list[tuple[float, bool]] = super()._loglikelihood_tokens(requests, disable_tqdm=True)
        return found

    def _batch_scheduler(self, pos: int, n_reordered_requests: Sequence[Any]) -> int:
        """How many texts are in the pass that the one at `pos` is in."""
        if pos == 0:
            sizes = [(len(context) + len(choice) - 1, len(choice)) for _, context, choice in n_reordered_requests]
            passes = list(_passes(sizes, int(self.model.config.vocab_size)))
            self._kept = iter([kept for _, kept in passes])
            self._rows = [rows for rows, _ in passes for _ in range(rows)]
        return self._rows[pos]

    def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
        """See `HFLM`; without its bars."""
        self.batch_size_per_gpu = GENERATED_TOGETHER
        with self._bar(len(requests), "answers"):
            found: list[str] = super().generate_until(requests, disable_tqdm=True)
        return found

    @torch.no_grad()
    def _model_call(self, inps: Tensor, *_: Any) -> Tensor:
        """Logits of the last tokens, from where the first choice begins; the harness counts from the end."""
        logits: Tensor = self.model(inps, logits_to_keep=next(self._kept), use_cache=False).logits
        self._bar_task.advance(len(inps))
        return logits

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **named: Any) -> Tensor:
        ids: Tensor = super()._model_generate(context, max_length, stop, eos_token_id=self._end_ids, **named)
        self._bar_task.advance(len(context))
        return ids

    @contextmanager
    def _bar(self, total: int, unit: str) -> Iterator[None]:
        with self._progress.task(self.label, total, unit) as self._bar_task:
            yield


def _passes(sizes: Sequence[tuple[int, int]], vocab_size: int) -> Iterator[tuple[int, int]]:
    """Of texts (tokens, those of the choice), the longest first: how many go in each pass, and how many of the last
    tokens, with padding, are needed of all."""
    start = 0
    while start < len(sizes):
        longest, kept, rows = sizes[start][0], 0, 0
        for size, choice in sizes[start:]:
            needed = max(kept, longest - size + choice)
            if rows and ((rows + 1) * longest > MOST_TOKENS or (rows + 1) * needed * vocab_size > MOST_LOGITS):
                break
            kept, rows = needed, rows + 1
        yield rows, kept
        start += rows


def _end_ids(model: PreTrainedModel, tokenizer: Tokenizer) -> list[int]:
    """What ends an answer: by name, for a GGUF file's config says nothing of it; else what the config says."""
    named = [tokenizer.token_to_id(name) for name in (EOS, END_TURN)]
    if found := [identifier for identifier in named if identifier is not None]:
        return found
    stated = model.config.eos_token_id
    listed = stated if isinstance(stated, list) else [stated]
    return [int(identifier) for identifier in listed if identifier is not None]
