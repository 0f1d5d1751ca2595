"""Fine-tuning: LoRA in, plain model out."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tests.train.tiny import byte_tokenizer, model_folder, tokens_folder

from anadil.context import Context
from anadil.dialogues.prepare import Surroundings, prepare
from anadil.errors import Interrupted, UserError
from anadil.languages import load_profile
from anadil.model import load
from anadil.model.adapter import with_lora
from anadil.model.objective import Objective
from anadil.recipe import Sft
from anadil.tokenizer.template import Template
from anadil.train.data import batch
from anadil.train.engine import Engine
from anadil.train.sft import HELDOUT, Batches, HeldoutAnswers, run_sft

AROUND = Surroundings(load_profile("az"), seed=1)
IDS = torch.tensor([[256, 10, 20, 30]])


def dialogue(question: str, answer: str) -> str:
    messages = [("user", question), ("assistant", answer)]
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in messages]})


@pytest.fixture
def settings(tmp_path: Path) -> Sft:
    lines = [dialogue(f"sual {i}", f"cavab {i % 3}") for i in range(16)]
    (tmp_path / "chat.jsonl").write_text("\n".join(lines) + "\n\n")
    return Sft(
        data=[tmp_path / "chat.jsonl"], sequence_length=64, global_batch_tokens=128, rank=4,
        alpha=8, epochs=2, learning_rate=1e-2, checkpoint_every=2, typed_share=0, heldout_share=0,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return model_folder(tmp_path / "model")


def test_only_lora_matrices_of_the_decoder_are_trained(folder: Path, settings: Sft) -> None:
    model = with_lora(load.load(folder), settings, 1)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    layers = {name.split(".")[-4] for name in trained if "lora_" in name}
    assert all("lora_" in name for name in trained)
    assert layers >= {"q_proj", "down_proj"}
    assert not layers & {"lm_head", "embed_tokens"}
    assert len(trained) == 2 * 7 * 2


def test_learns_and_leaves_a_plain_tied_folder(folder: Path, settings: Sft, tmp_path: Path) -> None:
    context = Context(micro_batch_tokens=64, fingerprint="f")
    metrics = run_sft(folder, tmp_path / "out", settings, context, AROUND)
    assert metrics["read_dialogues"] == metrics["kept_dialogues"] == 16
    assert metrics["skipped_updates"] == 0
    before, after = load.load(folder), load.load(tmp_path / "out/model")
    assert after.config.tie_word_embeddings
    assert after.get_input_embeddings().weight is after.get_output_embeddings().weight
    frozen, changed = "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"
    first, second = before.state_dict(), after.state_dict()
    assert torch.equal(first[frozen], second[frozen])
    assert not torch.equal(first[changed], second[changed])
    assert set(first) == set(second)


def test_an_interrupted_run_ends_with_the_same_model(folder: Path, settings: Sft, tmp_path: Path) -> None:
    context = Context(micro_batch_tokens=64, fingerprint="f")
    run_sft(folder, tmp_path / "a", settings, context, AROUND)
    asked = iter(range(100))
    stopping = Context(micro_batch_tokens=64, fingerprint="f", stop_requested=lambda: next(asked) == 2)
    with pytest.raises(Interrupted):
        run_sft(folder, tmp_path / "b", settings, stopping, AROUND)
    run_sft(folder, tmp_path / "b", settings, context, AROUND)
    first, second = (load.load(tmp_path / x / "model").state_dict() for x in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_after_training_only_the_model_is_written_again(
    folder: Path, settings: Sft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(micro_batch_tokens=64, fingerprint="f")
    metrics = run_sft(folder, tmp_path / "out", settings, context, AROUND)
    before = load.load(tmp_path / "out/model").state_dict()
    shutil.rmtree(tmp_path / "out/model")
    monkeypatch.setattr(Engine, "update", None)  # nothing is trained
    assert run_sft(folder, tmp_path / "out", settings, context, AROUND) == metrics
    after = load.load(tmp_path / "out/model").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("system_prompt", ["", "be kind"])
def test_only_the_assistant_is_learned(settings: Sft, tmp_path: Path, system_prompt: str) -> None:
    (tmp_path / "x.jsonl").write_text(dialogue("salam", "hi") + "\n")
    tokenizer = byte_tokenizer()
    changed = settings.model_copy(update={"data": [tmp_path / "x.jsonl"]})
    around = Surroundings(load_profile("az"), system_prompt=system_prompt)
    [row] = prepare(changed, Template(tokenizer), around).rows
    ids, learn = row.rendered.ids, row.rendered.learned
    learned = [i for i, yes in zip(ids, learn, strict=True) if yes]
    assert tokenizer.decode(learned, skip_special_tokens=False) == "hi<|eot_id|>"
    assert ("be kind" in tokenizer.decode(ids)) == bool(system_prompt)


KINDS = {
    "lora": {},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "embeddings": {"train_embeddings": True},
    "full": {"method": "full"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_trains_and_leaves_a_tied_model_of_its_adapter(
    folder: Path, settings: Sft, tmp_path: Path, kind: str
) -> None:
    changed = settings.model_copy(update=KINDS[kind] | {"steps": 3, "learning_rate": 1e-2})
    context = Context(micro_batch_tokens=64, fingerprint="f")
    run_sft(folder, tmp_path / "out", changed, context, AROUND)
    model, before = load.load(tmp_path / "out/model"), load.load(folder)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    moved = {n for n, p in model.state_dict().items() if not torch.equal(p, before.state_dict()[n])}
    embedding, norm = "model.embed_tokens.weight", "model.norm.weight"
    assert (embedding in moved) == (kind in ("embeddings", "full"))
    assert (norm in moved) == (kind == "full")
    adapter = tmp_path / "out/adapter"
    assert adapter.is_dir() == (kind != "full")
    if kind != "full":
        adapted = PeftModel.from_pretrained(before, adapter)
        torch.testing.assert_close(adapted(input_ids=IDS).logits, model(input_ids=IDS).logits, rtol=1e-5, atol=1e-5)


def test_the_weights_that_answer_held_out_questions_best_are_taken(
    folder: Path, settings: Sft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([3.0, 2.0, 1.0, 1.5, 1.6, 1.7, 1.8, 1.9])
    states = []

    def measure(self: HeldoutAnswers, step: int, objective: Objective) -> dict[str, float]:
        states.append((step, {n: p.detach().clone() for n, p in objective.named_parameters() if p.requires_grad}))
        return {HELDOUT: next(measured)}

    monkeypatch.setattr(HeldoutAnswers, "measure", measure)
    update = {"heldout_share": 0.3, "eval_every": 1, "steps": 8, "patience": 2, "method": "full"}
    context = Context(micro_batch_tokens=64, fingerprint="f")
    metrics = run_sft(folder, tmp_path / "out", settings.model_copy(update=update), context, AROUND)
    assert metrics["heldout_dialogues"] > 0
    assert (metrics["steps"], metrics["planned_steps"]) == (5, 8)  # the best after 2, then three that are no better
    best = dict(states)[2]["model.model.embed_tokens.weight"]
    assert torch.equal(load.load(tmp_path / "out/model").get_input_embeddings().weight, best)


def test_held_out_answers_cost_what_their_tokens_cost(folder: Path, settings: Sft) -> None:
    changed = settings.model_copy(update={"heldout_share": 0.5})
    prepared = prepare(changed, Template(load.tokenizer(folder)), AROUND)
    model = load.load(folder)
    nats = size = 0.0
    for row in prepared.heldout:
        logits = model(torch.tensor([row.rendered.ids])).logits[0].float().log_softmax(-1)
        for place in range(1, len(row.rendered.ids)):
            if row.rendered.learned[place]:
                nats -= float(logits[place - 1, row.rendered.ids[place]])
        size += sum(len(m["content"].encode()) for m in row.messages if m["role"] == "assistant")
    found = HeldoutAnswers(prepared.heldout, load.tokenizer(folder)).measure(0, Objective(model))
    assert found[HELDOUT] == pytest.approx(nats / math.log(2) / size, rel=1e-5)


def test_replayed_text_has_its_share_of_every_batch(folder: Path, settings: Sft, tmp_path: Path) -> None:
    texts = [f"running text {number} of the corpus, which was read before" for number in range(30)]
    (tmp_path / "tokens").mkdir()
    tokens = tokens_folder(tmp_path / "tokens", {"s": ("az", 1.0, [texts], ["held out"])})
    changed = settings.model_copy(update={"replay_share": 0.5, "global_batch_tokens": 256})
    prepared = prepare(changed, Template(load.tokenizer(folder)), AROUND)
    batches = Batches(prepared, changed, 1, tokens)
    found = batches.batch(3)
    assert found.input_ids_BT.shape == (4, 64)
    dialogues, running = found.rows(0, 2), found.rows(2, 4)
    assert torch.equal(dialogues.input_ids_BT, batch(batches.packs, 3, 2).input_ids_BT)
    assert batches.windows
    assert torch.equal(running.labels_BT, batch(batches.windows, 3, 2).labels_BT)
    with pytest.raises(UserError, match=r"replay_share = 0.1 of 2 sequences"):
        Batches(prepared, settings.model_copy(update={"replay_share": 0.1}), 1, tokens)
