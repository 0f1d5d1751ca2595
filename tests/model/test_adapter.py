"""Adapters: written as peft reads them, merged tensor by tensor into what peft itself makes of them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tests.train.tiny import model_folder

from anadil.errors import UserError
from anadil.model import load
from anadil.model.adapter import CONFIG, WEIGHTS, Adapter, merge, save_adapter, with_lora
from anadil.recipe import Sft

IDS = torch.tensor([[256, 10, 20, 30]])
KINDS = {
    "lora": {},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "embeddings": {"train_embeddings": True},
    "all of it": {"rslora": True, "dora": True, "train_embeddings": True},
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> dict[str, bool]:
    return KINDS[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return model_folder(tmp_path / "model")


def adapted(folder: Path, out: Path, **settings: bool) -> PeftModel:
    """A model with an adapter that does something, saved in `out`."""
    model = with_lora(load.load(folder), Sft(data=["x"], rank=4, alpha=8, **settings), 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    out.mkdir()
    save_adapter(model, {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}, out)
    return model


def merged(folder: Path, adapter: Path, out: Path) -> Path:
    out.mkdir()
    merge(folder, adapter, out)
    load.copy_files(folder, out, load.CONFIG_FILES)
    load.copy_companions(folder, out)
    return out


def test_adapter_merged_and_peft_agree(folder: Path, tmp_path: Path, kind: dict[str, bool]) -> None:
    model = adapted(folder, tmp_path / "adapter", **kind)
    wanted = model(input_ids=IDS).logits
    assert not torch.allclose(wanted, load.load(folder)(input_ids=IDS).logits, atol=1e-2)
    ours = load.load(merged(folder, tmp_path / "adapter", tmp_path / "out"))
    torch.testing.assert_close(ours(input_ids=IDS).logits, wanted, rtol=1e-5, atol=1e-5)
    assert ours.get_input_embeddings().weight is ours.get_output_embeddings().weight
    theirs = PeftModel.from_pretrained(load.load(folder), tmp_path / "adapter")
    torch.testing.assert_close(theirs(input_ids=IDS).logits, wanted, rtol=1e-6, atol=1e-6)
    both = theirs.merge_and_unload().state_dict(), ours.state_dict()
    for name, weight in both[0].items():
        torch.testing.assert_close(both[1][name], weight, rtol=1e-5, atol=1e-6, msg=name)


def test_a_merged_folder_has_the_files_and_names_of_its_base(folder: Path, tmp_path: Path) -> None:
    adapted(folder, tmp_path / "adapter")
    before, after = (
        load_file(f / "model.safetensors") for f in (folder, merged(folder, tmp_path / "adapter", tmp_path / "out"))
    )
    assert {n: (t.shape, t.dtype) for n, t in before.items()} == {n: (t.shape, t.dtype) for n, t in after.items()}
    frozen = [name for name in before if torch.equal(before[name], after[name])]
    assert frozen
    assert all("norm" in name or "embed" in name for name in frozen)


def test_what_is_written_names_no_path(folder: Path, tmp_path: Path) -> None:
    adapted(folder, tmp_path / "adapter")
    assert str(tmp_path) not in (tmp_path / "adapter" / CONFIG).read_text(encoding="utf-8")


@pytest.mark.parametrize("train_embeddings", [True, False])
def test_an_adapter_of_another_base_is_refused_with_both_shapes(
    folder: Path, tmp_path: Path, train_embeddings: bool
) -> None:
    adapted(folder, tmp_path / "adapter", train_embeddings=train_embeddings)
    file = tmp_path / "adapter" / WEIGHTS
    tensors = load_file(file)
    name = next(n for n in tensors if ("embed" if train_embeddings else "q_proj.lora_A") in n)
    tensors[name] = tensors[name][:, :-2].contiguous()
    save_file(tensors, file)
    with pytest.raises(UserError, match=r"of another model: model\.\S+ is \[\d+, \d+\] here and \[\d+, \d+\] there"):
        merged(folder, tmp_path / "adapter", tmp_path / "out")


def test_an_adapter_that_cannot_be_merged_says_why(folder: Path, tmp_path: Path) -> None:
    adapted(folder, tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / CONFIG).read_bytes())
    for change, shown in (({"peft_type": "IA3"}, "IA3"), ({"layer_replication": [[0, 2]]}, "layer_replication")):
        (tmp_path / "adapter" / CONFIG).write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=f"{shown}.* cannot be merged"):
            Adapter(tmp_path / "adapter")
    shutil.rmtree(tmp_path / "adapter")
    with pytest.raises(UserError, match="no whole adapter"):
        Adapter(tmp_path / "adapter")
