"""The figures of a log line."""

import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.model.families import VOCAB, tiny
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from anadil.model.loss import linear_cross_entropy_reference
from anadil.model.objective import Objective
from anadil.train.memory import resident_bytes
from anadil.train.speed import Meter, forget_peak, in_words, operations_per_token, peak_bytes, peak_of


def shape(**changes: object) -> LlamaForCausalLM:
    """Llama 3.2 1B without its weights."""
    facts = {
        "vocab_size": 128_256, "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "tie_word_embeddings": True,
    }  # fmt: skip
    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(**facts | changes))


def test_operations_are_those_counted_by_hand() -> None:
    matrices = 973_078_528 + 262_668_288  # blocks, and the tied table once
    assert operations_per_token(shape(), 4096) == 6 * matrices + 6 * 16 * 2048 * 4096


def test_a_table_that_only_looks_up_costs_nothing() -> None:
    assert operations_per_token(shape(tie_word_embeddings=False), 4096) == operations_per_token(shape(), 4096)


def test_frozen_weights_need_no_gradient_of_their_own() -> None:
    model = shape()
    whole = operations_per_token(model, 1024)
    lora = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert 0.64 * whole < operations_per_token(lora, 1024) < 0.72 * whole


def test_words_follow_tokens() -> None:
    row = Meter(tiny("llama"), 16, words_per_token=0.5).read(tokens=3000, seconds=2.0)
    assert (row["tokens_per_second"], row["words_per_second"]) == (1500.0, 750.0)
    assert 0.05 < row["peak_gib"] < 100
    assert "mfu" not in row  # what a CPU can do is not known
    assert in_words(row | {"mfu": 0.415}).startswith("1,500 tokens/s, 750 words/s, MFU 42%, ")
    assert "words_per_second" not in Meter(tiny("llama"), 16, None).read(1, 1.0)


def test_the_formula_agrees_with_what_torch_counts() -> None:
    """torch's own counter on a small model; attention is counted there in full, causal or not."""
    from tests.model.families import tiny

    model = tiny("llama")
    model.set_attn_implementation("eager")
    ids = torch.randint(1, VOCAB, (2, 64))
    objective = Objective(model, loss=lambda *given: linear_cross_entropy_reference(*given)[0])
    with FlopCounterMode(display=False) as counter:
        objective(ids, ids).backward()
    attention = 6 * 2 * 32 * 64
    assert counter.get_total_flops() / 128 == pytest.approx(operations_per_token(model, 64) + attention, rel=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_what_was_before_does_not_count_for_the_peak() -> None:
    cpu = torch.device("cpu")
    before = torch.ones(100 << 20, dtype=torch.uint8)
    high = peak_bytes(cpu)
    del before
    resident_bytes()
    forget_peak(cpu)
    low = peak_bytes(cpu)
    assert low < high - (60 << 20)
    after = torch.ones(100 << 20, dtype=torch.uint8)
    assert peak_bytes(cpu) > low + (60 << 20)
    del after


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", None),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_a_peak_is_that_of_the_card_or_not_known(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak
