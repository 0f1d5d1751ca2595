"""A base whose tokenizer is no byte-level BPE goes the road to a trained model's door: its vocabulary is replaced."""

from pathlib import Path

import pytest
import torch
from tests.roads import make_texts, write_road
from tests.tokenizer.test_foreign import KINDS
from tests.transfer.test_rows import SHAPE

from anadil.context import Context
from anadil.model.load import from_shape, load, save
from anadil.recipe import load as load_recipe
from anadil.stages import corpus, encode, tokenizer, transfer
from anadil.tokenizer.load import load_tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_of_another_kind_is_replaced_and_the_model_moved(kind: str, tmp_path: Path) -> None:
    base = tmp_path / "in" / "base"
    base.mkdir(parents=True)
    made = KINDS[kind](make_texts("en", 60, 1))
    made.save(str(base / "tokenizer.json"))
    save(from_shape(SHAPE, made.get_vocab_size(), seed=3), base)
    recipe = load_recipe(write_road(tmp_path / "in", base='path = "base"'))
    inputs: dict[str, Path] = {}
    metrics: dict[str, dict[str, float]] = {}
    for stage in (corpus, tokenizer, encode, transfer):
        name = stage.__name__.rsplit(".", 1)[-1]
        (tmp_path / name).mkdir()
        metrics[name] = stage.run(recipe, inputs, tmp_path / name, Context())
        inputs[name] = tmp_path / name
    assert metrics["tokenizer"]["vocabulary_tokens"] == recipe.tokenizer.vocab_size
    assert metrics["transfer"]["new_rows"] > 0
    model = load(tmp_path / "transfer" / "model")
    ids = load_tokenizer(tmp_path / "transfer" / "model").encode(make_texts("az", 1, 5)[0]).ids
    assert torch.isfinite(model(input_ids=torch.tensor([ids])).logits).all()
