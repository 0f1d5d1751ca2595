"""A random two-block Llama with a byte-level BPE tokenizer, as an export folder: hf/ and model-f32.gguf."""

from pathlib import Path

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

TEXTS = ["Salam, paketimi necə dəyişə bilərəm?", "Sürət aşağı düşüb, yoxlayarsınız? 🙂", "How fast is my line?"]


def vocabulary() -> Vocabulary:
    """256 bytes, some merges (none across a whole emoji), the control tokens."""
    split = llama3_pre_tokenizer()
    merges = learn_merges(count_words(TEXTS, split).words, 40, 2, byte_alphabet())
    pieces = [*byte_alphabet(), *("".join(merge) for merge in merges)]
    added = [added_token(name, len(pieces) + i) for i, name in enumerate(CONTROL_TOKENS)]
    return Vocabulary({piece: i for i, piece in enumerate(pieces)}, merges, added, split, ignore_merges=True)


def model_folder(folder: Path) -> Path:
    """Weights are large and untied, so that greedy answers vary, yet do not turn on the last bits of a product."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = vocabulary()
    folder.mkdir(parents=True)
    write_folder(words, folder)
    config = LlamaConfig(
        vocab_size=words.size + 2, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.2,
        rms_norm_eps=1e-5, bos_token_id=words.added_ids[BOS], pad_token_id=words.added_ids[PAD],
        eos_token_id=[words.added_ids[EOS], words.added_ids[END_TURN]],
    )  # fmt: skip
    torch.manual_seed(1)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def export_folder(folder: Path) -> Path:
    """hf/ in float32 and the same weights as model-f32.gguf."""
    from anadil.export.gguf import write_gguf

    write_gguf(model_folder(folder / "hf"), folder / "model-f32.gguf", "f32", name="tiny")
    return folder
