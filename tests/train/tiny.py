"""Tiny real things for the training tests: a tokenizer, a model folder, an encode folder."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from anadil.model import load
from anadil.recipe import Shape
from anadil.tokenizer.chat import CONTROL_TOKENS
from anadil.tokenizer.shards import sha256_of

SHAPE = Shape(hidden_size=32, layers=2, heads=4, kv_heads=2, ffn_size=48, max_position=64)
VOCAB = 256 + len(CONTROL_TOKENS)
BOS, EOS = 256, 257


def byte_tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(CONTROL_TOKENS))
    return tokenizer


def model_folder(folder: Path, *, tied: bool = True) -> Path:
    load.save(load.from_shape(SHAPE, VOCAB, seed=7, bos=BOS, eos=EOS, tied=tied), folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tokens_folder(folder: Path, sources: dict[str, tuple[str, float, list[list[str]], list[str]]]) -> Path:
    """An encode folder; per source its language, weight, train texts by shard, and held-out texts."""
    tokenizer, listed = byte_tokenizer(), []
    for name, (language, weight, train, heldout) in sources.items():
        splits = {"train": train, "heldout": [heldout]}
        shards = {
            split: [_shard(folder, f"tokens/{name}/{split}-{i:05d}", texts, tokenizer) for i, texts in enumerate(parts)]
            for split, parts in splits.items()
        }
        listed.append({"name": name, "language": language, "weight": weight, "splits": shards})
    tokenizer.save(str(folder / "tokenizer.json"))
    index = {
        "tokenizer_sha256": sha256_of(folder / "tokenizer.json"),
        "vocab_size": VOCAB,
        "dtype": "uint16",
        "bos": BOS,
        "eos": EOS,
        "sources": listed,
    }
    (folder / "shards.json").write_text(json.dumps(index))
    return folder


def _shard(folder: Path, stem: str, texts: list[str], tokenizer: Tokenizer) -> dict[str, object]:
    ids = [[BOS, *tokenizer.encode(text, add_special_tokens=False).ids, EOS] for text in texts]
    path = folder / f"{stem}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.concatenate([np.array(document, "<u2") for document in ids] or [np.zeros(0, "<u2")]).tofile(path)
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    np.save(folder / f"{stem}.offsets.npy", offsets)
    size = sum(len(text.encode()) for text in texts)
    return {
        "file": f"{stem}.bin", "offsets": f"{stem}.offsets.npy", "tokens": int(offsets[-1]),
        "documents": len(texts), "bytes": size, "sha256": sha256_of(path),
    }  # fmt: skip
