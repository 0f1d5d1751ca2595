"""settle: only the new rows move, and an interrupted phase ends as an undisturbed one."""

from pathlib import Path

import pytest
import torch
from tests.train.tiny import BOS, EOS, SHAPE, VOCAB, byte_tokenizer, tokens_folder
from torch import nn

from anadil.context import Context
from anadil.errors import Interrupted
from anadil.model.load import from_shape
from anadil.recipe import Settle
from anadil.tokenizer.shards import TokenShards
from anadil.transfer.settle import settle

NEW = sorted(byte_tokenizer().encode("aex").ids)
SETTINGS = Settle(
    sequence_length=32, global_batch_tokens=64, steps=6, checkpoint_every=2, precision="float32", learning_rate=0.05
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    folder = tmp_path_factory.mktemp("settle")
    texts = [f"a text {number} with an ex in it and some e" for number in range(40)]
    return TokenShards(tokens_folder(folder, {"one": ("az", 1.0, [texts], ["held out"])}))


def settled(shards: TokenShards, out: Path, tied: bool, context: Context | None = None) -> nn.Module:
    model = from_shape(SHAPE, VOCAB, seed=1, bos=BOS, eos=EOS, tied=tied)
    metrics = settle(model, NEW, shards, SETTINGS, out, context or Context(), seed=1)
    assert metrics["settle_steps"] == 6
    return model


@pytest.mark.parametrize("tied", [True, False])
def test_only_the_new_rows_move(shards: TokenShards, tmp_path: Path, tied: bool) -> None:
    before = from_shape(SHAPE, VOCAB, seed=1, bos=BOS, eos=EOS, tied=tied).state_dict()
    model = settled(shards, tmp_path, tied)
    for name, tensor in model.state_dict().items():
        moved = (tensor != before[name]).reshape(len(tensor), -1).any(dim=1).nonzero().flatten().tolist()
        is_table = name.endswith(("embed_tokens.weight", "lm_head.weight"))
        assert moved == (NEW if is_table else []), name
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("tied", [True, False])
def test_stopped_and_resumed_is_undisturbed(shards: TokenShards, tmp_path: Path, tied: bool) -> None:
    whole = settled(shards, tmp_path / "whole", tied)
    asked = iter(range(1, 100))
    with pytest.raises(Interrupted):
        settled(shards, tmp_path / "part", tied, Context(stop_requested=lambda: next(asked) >= 3))
    resumed = settled(shards, tmp_path / "part", tied)
    assert all(torch.equal(t, resumed.state_dict()[n]) for n, t in whole.state_dict().items())
