"""Engines: one way to generate and to score, whatever runs the model. `open_engine` picks one for a folder."""

from importlib.util import find_spec
from pathlib import Path

from anadil.engines.protocol import Engine
from anadil.errors import UserError

GGUF_PREFERENCE = ("q8_0", "q4_k", "q4_0", "bf16", "f32")
"""The fast ones first, of these the most exact: who wants the speed of 4 bits names that file or exports it alone."""


def open_engine(
    path: Path,
    engine: str = "auto",
    *,
    threads: int = 0,
    context_tokens: int = 2048,
    slots: int = 4,
    device: str = "cpu",
) -> Engine:
    """An engine for an export folder (`hf/`, `model-<type>.gguf`), a Hugging Face folder or a GGUF file.

    `auto` takes the GGUF file through xllamacpp where both are there, else the Hugging Face folder through
    transformers. `threads` 0 leaves the choice to the engine; `context_tokens` is the longest conversation (never
    more than the model was made for); `slots` is how many answers may be generated at a time where the engine
    batches them. UserError when the folder or the installation lacks what the engine needs.
    """
    gguf, folder = _gguf_file(path), _huggingface_folder(path)
    if engine == "auto":
        engine = "xllamacpp" if gguf and (find_spec("xllamacpp") or not folder) else "transformers"
    if engine == "xllamacpp":
        return _open_xllamacpp(path, gguf, folder, threads, context_tokens, slots)
    if engine == "transformers":
        return _open_transformers(path, folder, threads, context_tokens, device)
    raise UserError(f"unknown engine {engine!r}", hint="use auto, xllamacpp or transformers")


def _open_xllamacpp(
    path: Path, gguf: Path | None, folder: Path | None, threads: int, context_tokens: int, slots: int
) -> Engine:
    _need("xllamacpp", extra="serve")
    if gguf is None:
        raise UserError(
            f"there is no GGUF file at {path}", hint='set export.gguf = ["q8_0"], or use the transformers engine'
        )
    if folder is None:
        hint = "put the model's tokenizer.json beside it, or into a folder hf/ beside it"
        raise UserError(f"{gguf} has no tokenizer beside it", hint=hint)
    from anadil.engines.xllamacpp import XllamacppEngine

    return XllamacppEngine(gguf, folder, threads=threads, context_tokens=context_tokens, slots=slots)


def _open_transformers(path: Path, folder: Path | None, threads: int, context_tokens: int, device: str) -> Engine:
    _need("torch", "transformers", extra="train")
    if folder is None or not (folder / "config.json").is_file():
        raise UserError(
            f"there is no Hugging Face folder at {path}", hint="name one that has config.json and tokenizer.json"
        )
    from anadil.engines.transformers import TransformersEngine

    return TransformersEngine(folder, threads=threads, context_tokens=context_tokens, device=device)


def _need(*packages: str, extra: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            raise UserError(f"the package {package} is not installed", hint=f"pip install 'anadil[{extra}]'")


def _gguf_file(path: Path) -> Path | None:
    if path.suffix == ".gguf":
        return path
    named = [path / f"model-{kind}.gguf" for kind in GGUF_PREFERENCE]
    return next((file for file in [*named, *sorted(path.glob("*.gguf"))] if file.is_file()), None)


def _huggingface_folder(path: Path) -> Path | None:
    beside = path.parent if path.suffix == ".gguf" else path
    return next((folder for folder in (beside / "hf", beside) if (folder / "tokenizer.json").is_file()), None)
