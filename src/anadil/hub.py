"""Where a base model lies: a folder, or a model on the Hugging Face hub by commit."""

from pathlib import Path

from anadil.errors import UserError


def local_folder(path: str, revision: str | None) -> Path:
    """The folder of the base at `path`, downloaded first if it is a hub id (then `revision` must be its commit)."""
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or path.startswith(".") or path.count("/") != 1:
        raise UserError(f"base.path: no folder at {path}", hint="name a Hugging Face folder or a hub id (org/model)")
    if not revision:
        hint = 'state the commit, base.revision = "<40 hex digits>", so that the result can be repeated'
        raise UserError(f"base.path = {path!r} is no local folder; as a hub id it has no revision", hint=hint)
    return _download(path, revision)


def _download(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.jinja", "LICENSE*", "USE_POLICY*", "NOTICE*"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        hint = "check the name, the revision, the network and, for gated models, `hf auth login`; or name a local folder"
        raise UserError(f"cannot fetch {name} at {revision}: {error}", hint=hint) from error
