"""A run delivers what it trained: sound ones pass every check, and each fault is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.export.conftest import TEXTS

from anadil.artifact import Fingerprint, Hashes, StageFolder
from anadil.export import gguf
from anadil.export.delivered import Delivered, check_delivered
from anadil.export.gguf import write_gguf
from anadil.export.huggingface import export_huggingface
from anadil.model import load
from anadil.model.adapter import ADAPTER, merge, save_adapter, with_lora
from anadil.recipe import Sft
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.template import Template

pytest.importorskip("xllamacpp", reason="llama.cpp reads the files")


def adapter(before: Path, out: Path, seed: int) -> None:
    model = with_lora(load.load(before), Sft(data=["x"], rank=4, alpha=8), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    out.mkdir(parents=True)
    save_adapter(model, {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}, out)


@pytest.fixture(scope="module")
def sound(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pretrain, sft and export."""
    run = tmp_path_factory.mktemp("run")
    before = shutil.copytree(model_folder, run / "pretrain/model")
    load_ids = load.special_ids(Template(load_tokenizer(before)))
    for name in ("config.json", "generation_config.json"):
        config = json.loads((before / name).read_bytes()) | load_ids
        (before / name).write_text(json.dumps(config))
    adapter(before, run / "sft" / ADAPTER, 1)
    trained = run / "sft/model"
    trained.mkdir()
    merge(before, run / "sft" / ADAPTER, trained)
    load.copy_files(before, trained, load.CONFIG_FILES)
    load.copy_companions(before, trained)
    export_huggingface(trained, run / "export/hf")
    write_gguf(trained, run / "export/model-q8_0.gguf", "q8_0", name="m")
    record(run)
    return run


def record(run: Path) -> None:
    StageFolder(run / "export").finish("export", Fingerprint({}), {}, Hashes())


def failed(run: Path) -> dict[str, str]:
    found = Delivered(run / "export", run / "sft/model", run / "pretrain/model", run / "sft" / ADAPTER)
    return {check.name: check.detail for check in check_delivered(found, TEXTS, 1, strings=300) if not check.passed}


def test_a_sound_run_passes(sound: Path) -> None:
    assert failed(sound) == {}


def untie(run: Path) -> None:
    file, config = run / "export/hf/model.safetensors", run / "export/hf/config.json"
    tensors = load_file(file)
    save_file(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, file, {"format": "pt"})
    config.write_text(config.read_text().replace('"tie_word_embeddings": true', '"tie_word_embeddings": false'))


def stop_elsewhere(run: Path) -> None:
    file = run / "export/hf/generation_config.json"
    config = json.loads(file.read_bytes())
    file.write_text(json.dumps(config | {"eos_token_id": [config["pad_token_id"]]}))


def lose_rows(run: Path) -> None:
    file = run / "export/hf/model.safetensors"
    tensors = load_file(file)
    tensors["model.embed_tokens.weight"][200:240] = tensors["model.embed_tokens.weight"].float().mean(0).bfloat16()
    save_file(tensors, file, {"format": "pt"})


def other_template(run: Path) -> None:
    file = run / "export/hf/chat_template.jinja"
    file.write_text(file.read_text().replace("\\n\\n", "\\n"))


def rewritten(name: str, value: object) -> Callable[[Path], None]:
    """The file as an exporter with a fault would write it."""

    def write(run: Path) -> None:
        before = getattr(gguf, name)
        try:
            setattr(gguf, name, value)
            write_gguf(run / "sft/model", run / "export/model-q8_0.gguf", "q8_0", name="m")
        finally:
            setattr(gguf, name, before)

    return write


def cut_off(run: Path) -> None:
    file = run / "export/model-q8_0.gguf"
    with open(file, "r+b") as opened:
        opened.truncate(file.stat().st_size - 1000)


def adapter_of_another(run: Path) -> None:
    shutil.rmtree(run / "sft" / ADAPTER)
    adapter(run / "pretrain/model", run / "sft" / ADAPTER, 2)


FAULTS: dict[str, tuple[Callable[[Path], None], bool, dict[str, str]]] = {
    "untied": (untie, True, {"tied weights": "tie_word_embeddings"}),
    "wrong stop id": (stop_elsewhere, True, {"end of turn, Hugging Face": "generation_config.json ends at"}),
    "lost new rows": (lose_rows, True, {"Hugging Face weights": "40 of 300 rows are not the trained ones, first 200"}),
    "other template": (other_template, True, {"template": "hf/chat_template.jinja has another chat template"}),
    "rotary order": (
        rewritten("permute", lambda weight, heads: weight), True,
        {"model-q8_0.gguf weights": "in Hugging Face's order of rotary", "model-q8_0.gguf logits": "off by"},
    ),
    "wrong pre": (
        rewritten("PRE_TOKENIZER", "gpt-2"), True, {"model-q8_0.gguf tokens": "tokenizer.ggml.pre is 'gpt-2'"},
    ),
    "cut off": (
        cut_off, False,
        {"files": "model-q8_0.gguf has"}
        | {f"model-q8_0.gguf {of}": "" for of in ("logits", "weights", "tokens", "ends")},
    ),
    "adapter of another run": (adapter_of_another, True, {"adapter": "logits are within"}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(sound: Path, tmp_path: Path, fault: str) -> None:
    damage, recorded, expected = FAULTS[fault]
    run = shutil.copytree(sound, tmp_path / "run")
    damage(run)
    if recorded:  # as if the exporter had done it
        record(run)
    found = failed(run)
    for name, detail in expected.items():
        assert detail in found[name]
    assert set(found) <= set(expected) | {"tied weights", "template", "model-q8_0.gguf logits"}
