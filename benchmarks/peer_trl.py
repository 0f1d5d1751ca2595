"""The fine-tuning of `bench_sft.py` as a user of TRL (Apache-2.0) sets it up; prints a line of JSON.

    pip install trl
    python benchmarks/peer_trl.py '{"model": ..., "rows": ..., ...}'

`SFTTrainer` with packing and LoRA through peft. Its own settings where they do not make the work another one, but no
gradient checkpointing, which is on by default and costs time. Its packing "bfd" (best fit, whole dialogues) lays the
sequences of a micro batch end to end without padding and is made for FlashAttention. On a CPU transformers makes a mask
of the positions, which restart, so that dialogues do not see each other (tried here before training: `leaks`), but the
mask and the scores then span the whole micro batch: `at_a_time` sequences. Its other packing, "wrapped", cuts dialogues
and lets them see each other.
"""

import json
import resource
import sys
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

NOTHING = {"tokens": 0, "inputs": 0, "slots": 0, "learned": 0, "loss": 0.0}


class Watched(SFTTrainer):  # type: ignore[misc]
    """Counts what goes into the model and what the loss is, by update."""

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        real = int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else inputs["input_ids"].numel()
        counts = {"tokens": real, "inputs": real, "slots": inputs["input_ids"].numel()}
        counts["learned"] = int((inputs["labels"] != -100).sum())
        loss = super().training_step(model, inputs, num_items_in_batch)
        counts["loss"] = float(loss)
        self.update = {name: before + counts[name] for name, before in getattr(self, "update", NOTHING).items()}
        return loss


class Ends(TrainerCallback):  # type: ignore[misc]
    """When each update was over."""

    def __init__(self) -> None:
        self.trainer: Any = None
        self.updates: list[dict[str, float]] = []

    def on_step_end(self, *given: Any, **named: Any) -> None:
        self.updates.append({"wall": time.monotonic(), "cpu": time.process_time(), **self.trainer.update})
        self.trainer.update = NOTHING


def go(work: dict[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(work["threads"])
    ends = Ends()
    with tempfile.TemporaryDirectory() as folder:
        trainer = ends.trainer = made(work, folder, ends)
        leaks = documents_leak(trainer)
        trainer.train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return {"updates": ends.updates, "peak_bytes": peak, "leaks": leaks}


def made(work: dict[str, Any], folder: str, ends: Ends) -> Watched:
    """Labels are given, -100 where nothing is to be learned: it leaves them as they are."""
    with open(work["rows"], encoding="utf-8") as lines:
        rows = Dataset.from_list([json.loads(line) for line in lines])
    lora = LoraConfig(r=work["rank"], lora_alpha=work["alpha"], target_modules="all-linear", task_type="CAUSAL_LM")
    many, at_a_time = work["sequences"], min(work["at_a_time"], work["sequences"])
    arguments = SFTConfig(
        output_dir=folder, max_length=work["sequence_length"], packing=True, packing_strategy="bfd",
        per_device_train_batch_size=at_a_time, gradient_accumulation_steps=many // at_a_time,
        max_steps=work["updates"] or -1, num_train_epochs=1, gradient_checkpointing=False, bf16=True, use_cpu=True,
        optim="adamw_torch_fused", adam_beta2=0.95, weight_decay=0.0, max_grad_norm=1.0, learning_rate=work["rate"],
        lr_scheduler_type="constant", save_strategy="no", report_to=[], disable_tqdm=True, seed=work["seed"],
        dataloader_pin_memory=False,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(
        work["model"], dtype=torch.float32, attn_implementation=work["attention"]
    )
    tokenizer = AutoTokenizer.from_pretrained(work["model"])
    return Watched(model, arguments, train_dataset=rows, processing_class=tokenizer, peft_config=lora, callbacks=[ends])


def documents_leak(trainer: Watched) -> bool:
    """Whether what the first of two packed documents says moves what the model says in the second."""

    def second(first: list[int]) -> torch.Tensor:
        ids = [*first, 9, 10, 11, 12]
        batch = trainer.data_collator([{"input_ids": ids, "labels": ids, "seq_lengths": [4, 4]}])
        return trainer.model(**batch).logits[0, 4:].detach()

    training = trainer.model.training
    trainer.model.eval()
    same = torch.allclose(second([1, 2, 3, 4]), second([5, 6, 7, 8]), rtol=1e-4, atol=1e-5)
    trainer.model.train(training)
    return not same


def main() -> None:
    real, sys.stdout = sys.stdout, sys.stderr  # what libraries print is not the result
    real.write(json.dumps(go(json.loads(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
