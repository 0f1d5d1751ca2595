"""The model card of a delivered folder: what it is, what it was made of, how to ask it; figures of its stages."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anadil.artifact import StageFolder
from anadil.languages import language_key, load_profile
from anadil.recipe import Recipe

FIGURES = {
    "target_bits_per_byte_before": "bits per byte of held-out text before continued pre-training",
    "target_bits_per_byte": "the same after it",
    "answers_bits_per_byte_before": "bits per byte of held-out answers before fine-tuning",
    "answers_bits_per_byte": "the same after it",
    "trained_tokens": "tokens trained on",
}


def model_card(recipe: Recipe, sources: Sequence[Mapping[str, Any]], stages: Mapping[str, Path]) -> str:
    """The card as Markdown with the hub's front matter; `stages` are the folders of the stages it came from."""
    languages = list(dict.fromkeys([language_key(recipe.language), *(str(source["language"]) for source in sources)]))
    base = Path(recipe.base.path).name if recipe.base.path else "a model from nothing"
    front: dict[str, Any] = {"language": [code for code in languages if len(code) <= 3]}
    front |= {"library_name": "transformers"} | ({"base_model": recipe.base.path} if recipe.base.revision else {})
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", "", f"# {recipe.name}", ""]
    name = load_profile(recipe.language).name
    lines += [f"{base}, adapted to {name} with anadil.", ""]
    lines += [
        "## Text",
        "",
        "| source | language | licence | documents | words | times in an epoch |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_source(source) for source in sources] + [""]
    figures = list(_figures(stages))
    lines += ["## Figures", "", "| stage | | |", "|---|---|---|", *figures, ""] if figures else []
    lines += ["## Use", "", _USE.strip(), ""]
    return "\n".join(lines)


def _source(source: Mapping[str, Any]) -> str:
    train, licence = source["train"], source["licence"] or "not stated"
    counts = f"{train['documents']:,} | {train['words']:,} | {source['weight']:g}"
    return f"| {source['name']} | {source['language']} | {licence} | {counts} |"


def _figures(stages: Mapping[str, Path]) -> Iterator[str]:
    for stage, folder in stages.items():
        metrics = (StageFolder(folder).manifest or {}).get("metrics", {})
        for metric, words in FIGURES.items():
            if metric in metrics:
                value = metrics[metric]
                yield (
                    f"| {stage} | {words} | {value:,.0f} |" if value > 1000 else f"| {stage} | {words} | {value:.4f} |"
                )


_USE = """
Answers may be wrong; nothing here is a promise that they are true.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
prompt = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Salam!"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
print(tokenizer.decode(model.generate(**prompt, max_new_tokens=64)[0]))
```

A control token that somebody types into a message becomes a real one through `apply_chat_template`, as in any
model: take it out before.
"""
