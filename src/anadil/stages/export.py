"""export: the trained model -> a plain Hugging Face folder and GGUF files, checked with llama.cpp."""

from itertools import islice
from pathlib import Path

from anadil import durable
from anadil.context import Context
from anadil.corpus.build import sources, texts
from anadil.export.card import model_card
from anadil.export.gguf import write_gguf
from anadil.export.huggingface import export_huggingface
from anadil.export.quantise import find_quantiser
from anadil.export.verify import verify
from anadil.model.adapter import ADAPTER
from anadil.model.load import copy_files
from anadil.recipe import Recipe

CHECKED_DOCUMENTS = 200
"""Held-out documents of each source whose token ids are compared."""


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Write `hf/`, `model-<type>.gguf` and, of LoRA, `adapter/`; metrics are sizes, and how llama.cpp agrees."""
    place = dict(inputs)
    corpus = place.pop("corpus", None)
    made = next(iter(place.values()))
    model = made / "model"
    if "q4_k" in recipe.export.gguf:
        find_quantiser()  # before anything is written
    card = model_card(recipe, sources(corpus) if corpus else [], {made.name: made})
    with context.progress.task("export", 1 + len(recipe.export.gguf), "files") as task:
        folder = export_huggingface(model, out / "hf", card)
        task.advance()
        files = {}
        for kind in recipe.export.gguf:
            files[kind] = write_gguf(model, out / f"model-{kind}.gguf", kind, name=recipe.name)
            task.advance()
    if (made / ADAPTER).is_dir():
        with durable.new_folder(out / ADAPTER, "adapter") as copy:
            copy_files(made / ADAPTER, copy, ("*",))
    found = {"huggingface_bytes": float(sum(f.stat().st_size for f in folder.glob("*.safetensors")))}
    found |= {f"gguf_{kind}_bytes": float(file.stat().st_size) for kind, file in files.items()}
    if not files:
        return found
    context.progress.line("  comparing token ids and logits with llama.cpp")
    result = verify(model, files, samples=_samples(corpus) if corpus else [], threads=context.threads)
    durable.write_json(out / "verify.json", result, "verify")
    if not result["verified"]:
        context.progress.line(f"  NOT verified: {result['reason']}")
        return found
    for kind, facts in result["files"].items():
        found |= {f"gguf_{kind}_{name}": float(value) for name, value in facts.items()}
    return found


def _samples(corpus: Path) -> list[str]:
    names = [source["name"] for source in sources(corpus)]
    return [text for name in names for text in islice(texts(corpus, name, "heldout"), CHECKED_DOCUMENTS)]
