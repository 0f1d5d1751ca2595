"""A whole road in small: texts made by rule, a base of 60,000 parameters, a recipe over both."""

import json
import random
import unicodedata
from pathlib import Path

SYLLABLES = {
    "az": ["al", "bə", "çı", "də", "ev", "gə", "kö", "lar", "mə", "nin", "öz", "qa", "şə", "tü", "yı", "zəm"],
    "en": ["the", "ing", "er", "and", "con", "pre", "ly", "ment", "wa", "tion", "ho", "use", "st", "ri", "qu", "ow"],
}


def make_texts(language: str, documents: int, seed: int, words: int = 30) -> list[str]:
    """Documents of made-up words in the letters of a language; the same for the same arguments."""
    rng = random.Random(f"{language}{seed}")
    lexicon = ["".join(rng.choices(SYLLABLES[language], k=rng.randint(1, 3))) for _ in range(150)]
    weights = [1 / (rank + 1) for rank in range(len(lexicon))]
    return [" ".join(rng.choices(lexicon, weights, k=words)).capitalize() + "." for _ in range(documents)]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_texts(path: Path, texts: list[str]) -> Path:
    return write_jsonl(path, [{"id": f"{path.stem}-{i}", "text": text} for i, text in enumerate(texts)])


def dirty_texts() -> list[str]:
    kept = make_texts("az", 2, 99)
    decomposed = unicodedata.normalize("NFD", kept[1])
    return [*kept, kept[0], decomposed, "", "  \n", "Qısa.", "Это другой алфавит и поэтому не проходит никак."]


RECIPE = """
name = "small"
language = "az"
{stages}
[base]
{base}
language = "en"

[corpus]
detect_language = false                # made-up words are of no language
heldout_share = 0.2
[[corpus.sources]]
name = "az"
path = "az.jsonl"
language = "az"
[[corpus.sources]]
name = "dirty"
path = "dirty.jsonl"
language = "az"
[[corpus.sources]]
name = "en"
path = "en.jsonl"
language = "en"
weight = 0.5

[tokenizer]
{tokenizer}

[pretrain]
sequence_length = 32
global_batch_tokens = 128
steps = 6
eval_every = 3
checkpoint_every = 2
learning_rate = 1e-3

[sft]
data = ["dialogues.jsonl"]
sequence_length = 64
global_batch_tokens = 128
steps = 4
checkpoint_every = 2
rank = 4

[evaluate]
questions = "questions.jsonl"
max_new_tokens = 8
bootstrap_rounds = 100
max_documents = 8

[run]
threads = 1
micro_batch_tokens = 64
"""

SHAPE = "shape = { hidden_size = 32, layers = 2, heads = 2, kv_heads = 1, ffn_size = 64, max_position = 256 }"
FROM_NOTHING = 'mode = "replace"\nvocab_size = 512\nkeep = ["en"]\nmin_pair_count = 1'
IN_PLACE = 'mode = "inplace"\nkeep = ["en"]\nnew_tokens = 40\nkeep_min_count = 40\ntarget_min_count = 400'


def write_road(
    folder: Path, *, stages: list[str] | None = None, base: str = SHAPE, tokenizer: str = FROM_NOTHING
) -> Path:
    """Write texts and recipe into `folder`; returns the recipe."""
    write_texts(folder / "az.jsonl", make_texts("az", 60, 1))
    write_texts(folder / "dirty.jsonl", dirty_texts())
    write_texts(folder / "en.jsonl", make_texts("en", 60, 1))
    questions, answers = make_texts("az", 12, 2, words=6), make_texts("az", 12, 3, words=8)
    dialogues = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in zip(questions[:8], answers[:8], strict=True)
    ]
    write_jsonl(folder / "dialogues.jsonl", list(dialogues))
    held = [
        {"id": f"q{i}", "question": q, "reference": a}
        for i, (q, a) in enumerate(zip(questions[8:], answers[8:], strict=True))
    ]
    write_jsonl(folder / "questions.jsonl", list(held))
    listed = f"stages = {json.dumps(stages)}" if stages else ""
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(stages=listed, base=base, tokenizer=tokenizer), encoding="utf-8")
    return recipe
