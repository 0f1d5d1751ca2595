"""What a vocabulary costs a model: parameters of its tables, and training compute a word."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SUSTAINED_FLOPS_PER_SECOND = 100e12
"""Speed at which seconds saved are stated: 100 TFLOP/s, about a quarter of a current data-centre GPU's peak."""


@dataclass(frozen=True)
class Shape:
    """Of a model: parameters outside the vocabulary tables, width and rows of these, and how many there are."""

    body: int
    width: int
    rows: int
    tables: Literal[1, 2]

    def embedding(self, rows: int) -> int:
        """Parameters of the vocabulary tables with `rows` rows."""
        return rows * self.width * self.tables

    def flops_per_token(self, rows: int) -> float:
        """Forward and backward, 6 a parameter (Kaplan et al. 2020); looking a row up costs nothing, the output does."""
        return 6.0 * (self.body + rows * self.width)


def read_shape(folder: Path) -> Shape | None:
    """From config.json of a dense decoder of Llama's kind; None without one, or for a model of another kind."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        return None if _is_other(config) else _shape(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_other(config: dict[str, Any]) -> bool:
    return any(config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts"))


def _shape(config: dict[str, Any]) -> Shape:
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head = int(config.get("head_dim") or width // heads)
    keys = int(config.get("num_key_value_heads") or heads)
    attention = 2 * width * heads * head + 2 * width * keys * head
    block = attention + 3 * width * int(config["intermediate_size"]) + 2 * width
    body = int(config["num_hidden_layers"]) * block + width
    tied = config.get("tie_word_embeddings", True)
    return Shape(body, width, int(config["vocab_size"]), 1 if tied else 2)
