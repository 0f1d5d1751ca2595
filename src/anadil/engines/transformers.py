"""The reference engine: any Hugging Face causal model, one token at a time, in plain sight."""

import secrets
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from anadil.engines.protocol import Detokenizer, Engine, GenerateParams, Token
from anadil.errors import UserError
from anadil.model.load import hidden_and_head, load
from anadil.model.loss import token_nll


class TransformersEngine(Engine):
    """A Hugging Face folder through transformers: float32 on the CPU, bfloat16 on a GPU."""

    name = "transformers"

    def __init__(self, folder: Path, *, threads: int = 0, context_tokens: int = 2048, device: str = "cpu"):
        super().__init__(folder)
        if threads:
            torch.set_num_threads(threads)
        self._model = load(folder, device=device, dtype=torch.float32 if device == "cpu" else torch.bfloat16)
        self._device = device
        self._positions = int(getattr(self._model.config, "max_position_embeddings", context_tokens))
        self.context_tokens = min(context_tokens, self._positions)
        self.stop_ids |= _stop_ids(self._model.generation_config)

    def generate_ids(self, ids: Sequence[int], params: GenerateParams) -> Generator[Token, None, None]:
        """See `Engine`; the keys and values of what came before are kept, each call has its own."""
        cache, text = DynamicCache(config=self._model.config), Detokenizer(self.tokenizer)
        generator = torch.Generator()
        generator.manual_seed(secrets.randbits(63) if params.seed is None else params.seed % 2**63)
        step = list(ids)
        for done in range(1, params.max_new_tokens + 1):
            logits_V = self._next_logits(step, cache)
            chosen = choose(logits_V, params, generator)
            logprob = float(logits_V.log_softmax(-1)[chosen])
            if chosen in self.stop_ids:
                yield Token("", chosen, logprob, "stop")
                return
            yield Token(text.push(chosen), chosen, logprob, "length" if done == params.max_new_tokens else None)
            step = [chosen]

    @torch.inference_mode()
    def _next_logits(self, ids: list[int], cache: DynamicCache) -> Tensor:
        input_ids = torch.tensor([ids], device=self._device)
        output = self._model(input_ids=input_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits_V: Tensor = output.logits[0, -1].float().cpu()
        return logits_V

    @torch.inference_mode()
    def score(self, ids: Sequence[int]) -> list[float]:
        """See `Engine`; UserError for more ids than the model has positions."""
        if len(ids) > self._positions:
            what = f"{len(ids)} tokens to score, the model has {self._positions} positions"
            raise UserError(what, hint="score the text in windows")
        ids_T = torch.tensor(list(ids), device=self._device)
        body, head_VD = self._body_and_head
        hidden_TD = body(input_ids=ids_T[None], use_cache=False).last_hidden_state[0]
        nll = token_nll(hidden_TD[:-1], head_VD, ids_T[1:])
        return [-float(value) for value in nll]

    @cached_property
    def _body_and_head(self) -> tuple[nn.Module, Tensor]:
        return hidden_and_head(self._model)

    def close(self) -> None:
        """Drop the model; memory goes with its last user."""
        self.__dict__.pop("_model", None)
        self.__dict__.pop("_body_and_head", None)


def choose(logits_V: Tensor, params: GenerateParams, generator: torch.Generator) -> int:
    """The likeliest token at temperature 0, else one drawn from the smallest set that has `top_p` of the probability.

    Temperature comes before top-p, as in OpenAI's API and in vLLM.
    """
    if params.temperature == 0:
        return int(logits_V.argmax())
    probabilities, order = (logits_V / params.temperature).softmax(-1).sort(descending=True)
    before = probabilities.cumsum(-1) - probabilities
    probabilities[1:][before[1:] >= params.top_p] = 0.0  # the likeliest always stays
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])


def _stop_ids(generation_config: object) -> frozenset[int]:
    listed = getattr(generation_config, "eos_token_id", None)
    return frozenset(listed if isinstance(listed, list) else [] if listed is None else [listed])
