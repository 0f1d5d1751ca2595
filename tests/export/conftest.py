"""A tiny random Llama with a byte-level BPE tokenizer: every part is real, only small."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from anadil.tokenizer.chat import BOS, CONTROL_TOKENS, END_TURN, EOS, PAD
from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import (
    Vocabulary,
    added_token,
    byte_alphabet,
    llama3_pre_tokenizer,
    write_folder,
)
from anadil.tokenizer.train import learn_merges

TEXTS = [
    "Salam, tarifimi necə dəyişim? Bu gün internet işləmir, gözləyirəm.",
    "Şəbəkə zəifdir, zəhmət olmasa yoxlayın. Ödəniş etdim, balans artmadı.",
    "How do I change my tariff? The network is weak today, please check it.",
    "Nömrəm 12345, paketim 10 GB; qiyməti neçədir, bilmək istəyirəm.",
]


def make_vocabulary() -> Vocabulary:
    """256 bytes, about 120 merges, the control tokens."""
    split = llama3_pre_tokenizer()
    merges = learn_merges(count_words(TEXTS, split).words, 120, 2, byte_alphabet())
    pieces = [*byte_alphabet(), *("".join(merge) for merge in merges)]
    tokens = {piece: number for number, piece in enumerate(pieces)}
    added = [added_token(name, len(pieces) + i) for i, name in enumerate(CONTROL_TOKENS)]
    return Vocabulary(tokens, merges, added, split, ignore_merges=True)


def make_model(folder: Path, *, tied: bool = True, scaled_rope: bool = False, hidden: int = 64) -> Path:
    """Write a random two-block Llama with the tokenizer to `folder`, float32."""
    vocabulary = make_vocabulary()
    folder.mkdir(parents=True)
    write_folder(vocabulary, folder)
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    if scaled_rope:
        rope = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0}
        rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    config = LlamaConfig(
        vocab_size=vocabulary.size + 2, hidden_size=hidden, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rope_parameters=rope,
        tie_word_embeddings=tied, rms_norm_eps=1e-5, initializer_range=0.15,
        bos_token_id=vocabulary.added_ids[BOS], pad_token_id=vocabulary.added_ids[PAD],
        eos_token_id=[vocabulary.added_ids[EOS], vocabulary.added_ids[END_TURN]],
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return make_vocabulary().build()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tied embeddings, plain rotary embedding."""
    return make_model(tmp_path_factory.mktemp("tied") / "model")


@pytest.fixture(scope="session")
def untied_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untied embeddings, Llama 3's scaled rotary embedding, rows that no block of 32 divides."""
    return make_model(tmp_path_factory.mktemp("untied") / "model", tied=False, scaled_rope=True, hidden=48)


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of 256 weights, one block of the K kinds; those of `mlp.down_proj` have 96."""
    return make_model(tmp_path_factory.mktemp("wide") / "model", tied=False, hidden=256)


@pytest.fixture
def new_model(tmp_path: Path) -> Callable[..., Path]:
    """A model of its own, for tests that change it."""
    return lambda **kind: make_model(tmp_path / "model", **kind)
