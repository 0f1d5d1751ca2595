"""A language model with its loss inside: the one module that is sharded, trained and scored."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from anadil.model.load import hidden_and_head, plain_model
from anadil.model.loss import IGNORE_INDEX, linear_cross_entropy, token_nll
from anadil.model.packed_attention import NAME as PACKED
from anadil.model.packed_attention import document_ends, ends_for_attention

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Hidden states [T, D], output embedding [V, D] and labels [T], -100 for none -> the sum of their nats."""


class Objective(nn.Module):
    """The sum of the negative log likelihoods of a batch's labels.

    Where a model is sharded its output embedding is whole only inside `forward`, hence the loss belongs there.
    With `bf16` the matrix products and what lies between the layers are bfloat16, weights and softmax stay float32.
    Raises UserError for models whose logits are more than hidden state times output embedding.
    """

    def __init__(self, model: nn.Module, *, bf16: bool = False, loss: Loss | None = None, check: bool = True):
        super().__init__()
        if check:
            hidden_and_head(model)
        self.model, self.bf16, self.loss = model, bf16, loss or plain_loss
        self.gathers_once = False  # see `sharding`
        if bf16:
            embedding: Any = plain_model(model).get_input_embeddings()
            embedding.register_forward_hook(_in_autocast_dtype)

    @property
    def device(self) -> torch.device:
        """Where its inputs belong."""
        return plain_model(self.model).device

    @property
    def packed(self) -> bool:
        """Whether its attention wants to know where documents end, instead of a mask."""
        found: bool = plain_model(self.model).config._attn_implementation == PACKED
        return found

    def forward(
        self, input_ids_BT: Tensor, labels_BT: Tensor, position_ids_BT: Tensor | None = None,
        ends: Tensor | None = None, *, each: bool = False,
    ) -> Tensor:  # fmt: skip
        """The sum in nats (float32 scalar), or with `each` the nats of each label, [labels]. Documents are packed
        where `position_ids_BT`, which restart at each, are given; else each row is one. `ends` are the same as
        `document_ends` gives them, for a model that is `packed`."""
        plain: Any = plain_model(self.model)
        if self.packed and position_ids_BT is not None and ends is None:
            ends = document_ends(position_ids_BT)
        attention = ends_for_attention(ends, input_ids_BT.shape[1]) if ends is not None else {}
        with torch.autocast(input_ids_BT.device.type, torch.bfloat16, enabled=self.bf16):
            body = plain.get_decoder()
            states = body(input_ids=input_ids_BT, position_ids=position_ids_BT, use_cache=False, **attention)
            hidden_TD, labels_T = states.last_hidden_state.flatten(0, 1), labels_BT.flatten()
            head_VD: Tensor = plain.get_output_embeddings().weight
            if not each:
                return self.loss(hidden_TD, head_VD, labels_T)
            kept_T = labels_T != IGNORE_INDEX
            return token_nll(hidden_TD[kept_T], head_VD, labels_T[kept_T])


def plain_loss(hidden_TD: Tensor, head_VD: Tensor, labels_T: Tensor) -> Tensor:
    """A chunk of logits at a time, in plain torch."""
    return linear_cross_entropy(hidden_TD, head_VD, labels_T)[0]


def _in_autocast_dtype(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Autocast leaves the embedding's rows in float32, and with them everything that is added to them."""
    device = output.device.type
    return output.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else output
