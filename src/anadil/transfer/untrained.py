"""Rows that the base never learned, such as those of Llama 3.2's reserved tokens and, in its base model, of the chat.

Eleven byte values occur in no UTF-8 text, so the rows of their tokens were pushed about like every row that no text
used and nothing else. A row that lies among them was not trained either. The idea of known-unused tokens as a
reference is from "Fishing for Magikarp" (https://arxiv.org/abs/2405.05417).
"""

from torch import Tensor

from anadil.tokenizer.load import Vocabulary, byte_alphabet

_IN_NO_UTF8 = (0xC0, 0xC1, *range(0xF5, 0x100))
_APART = 3.0
"""How many times the reference rows' radius a trained row is away; a base trained too little shows no such gap."""


def untrained(rows_VD: Tensor, vocabulary: Vocabulary) -> list[int]:
    """Ids of added tokens (control, reserved) whose rows [V, D] were never trained; none where that cannot be told."""
    names = byte_alphabet()
    reference = [vocabulary.tokens[names[byte]] for byte in _IN_NO_UTF8 if names[byte] in vocabulary.tokens]
    added = sorted(identifier for identifier in vocabulary.added_ids.values() if identifier < len(rows_VD))
    if len(reference) < 2 or not added:
        return []
    center_D = rows_VD[reference].float().mean(0)
    radius = _distances(rows_VD[reference], center_D).max()
    ordinary = [identifier for identifier in vocabulary.tokens.values() if identifier < len(rows_VD)]
    if _distances(rows_VD[ordinary], center_D).median() < _APART * radius:
        return []
    near = _distances(rows_VD[added], center_D) <= _APART / 2 * radius
    return [identifier for identifier, is_near in zip(added, near.tolist(), strict=True) if is_near]


def _distances(rows_ND: Tensor, center_D: Tensor) -> Tensor:
    distances_N: Tensor = (rows_ND.float() - center_D).norm(dim=1)
    return distances_N
