"""Where a base model lies: a folder, or a model on the Hugging Face hub by commit."""

import json
import re
from pathlib import Path

from anadil.errors import UserError
from anadil.weights import check_vocabulary_tables


def is_on_hub(path: str, revision: str | None) -> bool:
    """Whether `path` is a hub id rather than a folder; UserError if it is neither, or has no revision."""
    if Path(path).is_dir():
        return False
    if Path(path).is_absolute() or path.startswith(".") or path.count("/") != 1:
        hint = "name a Hugging Face folder (relative to the recipe) or a hub id (org/model)"
        raise UserError(f"base.path: no folder at {path}", hint=hint)
    if not revision:
        hint = 'mend the path; or, for a hub id, state its commit: base.revision = "<40 hex digits>"'
        raise UserError(f"base.path = {path!r} is no folder here, and as a hub id it has no revision", hint=hint)
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        hint = "a branch or a tag may move: write the 40 hex digits of the commit, which the model's page shows"
        raise UserError(f"base.revision = {revision!r} is no commit", hint=hint)
    return True


def local_folder(path: str, revision: str | None) -> Path:
    """The folder of the base at `path`, downloaded first if it is a hub id (then `revision` must be its commit)."""
    return _download(path, str(revision)) if is_on_hub(path, revision) else Path(path)


def check_model_folder(folder: Path) -> None:
    """UserError unless `folder` has what a base needs: config.json, weights in safetensors, tokenizer.json."""
    needed = {
        "config.json": "config.json",
        "*.safetensors": "weights (model.safetensors)",
        "tokenizer.json": "tokenizer.json",
    }
    for pattern, name in needed.items():
        if not any(folder.glob(pattern)):
            hint = (
                "name the folder of a whole Hugging Face model, with config.json, model.safetensors and tokenizer.json"
            )
            raise UserError(f"base.path: {folder} has no {name}", hint=hint)


def check_rows(folder: Path, tokens: int) -> None:
    """UserError if the base has fewer rows than its tokenizer tokens, by config.json or by its weights (where they
    are there), or rows that are not finite: known before hours of work rather than after."""
    try:
        rows = int(json.loads((folder / "config.json").read_bytes()).get("vocab_size", tokens))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'config.json'} cannot be read: {error}", hint="fetch the base again") from error
    if tokens > rows:
        what = f"the tokenizer in {folder} has {tokens:,} tokens, the model only {rows:,} rows"
        raise UserError(what, hint="the tokenizer is not this model's: put the model's own one beside the weights")
    check_vocabulary_tables(folder, tokens)


def _download(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.jinja", "LICENSE*", "USE_POLICY*", "NOTICE*"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        hint = (
            "check the name, the revision, the network and, for gated models, `hf auth login`; or name a local folder"
        )
        raise UserError(f"cannot fetch {name} at {revision}: {error}", hint=hint) from error
