"""Sources that lie elsewhere: in a bucket (any that fsspec knows), or as a data set on the Hugging Face hub.

What is there is copied once, and from then on a source is its copy: by its bytes it is known whether it changed.
"""

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from anadil import durable
from anadil.errors import UserError

LISTING = ".remote.json"
_HUB = re.compile(r"hf://datasets/(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<pattern>.+))?")


@cache
def local_copy(url: str) -> Path:
    """The folder (or glob) with the files of a URL, copied where they are new or changed; looked up once a process.

    Where nothing answers, the copy of last time. UserError where there is none, for a hub data set without its
    commit, and for a bucket whose library is not installed.
    """
    return _of_hub(url) if url.startswith("hf://") else _of_bucket(url)


def _of_hub(url: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    match = _HUB.fullmatch(url)
    if not match:
        raise UserError(f"{url} names no data set", hint="write hf://datasets/<owner>/<name>@<commit>[/<files>]")
    name, revision, pattern = match["name"], match["revision"], match["pattern"]
    if not revision or not re.fullmatch(r"[0-9a-f]{40}", revision):
        hint = "a branch may move: write @ and the 40 hex digits of the commit, which the data set's page shows"
        raise UserError(f"{url}: {revision} is no commit" if revision else f"{url} names no commit", hint=hint)
    wanted = [pattern] if pattern else None
    try:
        folder = Path(snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        hint = "check the name, the commit, the network and, for gated data, `hf auth login`; or name local files"
        raise UserError(f"cannot fetch {url}: {error}", hint=hint) from error
    return folder / pattern if pattern else folder


def _of_bucket(url: str) -> Path:
    folder = _cache() / hashlib.sha256(url.encode()).hexdigest()[:16]
    known = _known(folder)
    try:
        system, path = fsspec.url_to_fs(url)
        names = _names(system, path)
        marks = {_below(name, path): str(system.ukey(name)) for name in names}
        for name in names:
            local = _below(name, path)
            if known.get(local) != marks[local] or not (folder / local).is_file():
                with durable.new_file(folder / local, "remote") as temporary:
                    system.get_file(name, str(temporary))
    except ImportError as error:
        protocol = url.split(":", 1)[0]
        libraries = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
        library = libraries.get(protocol, f"what fsspec needs for {protocol}")
        raise UserError(f"{url}: {error}", hint=f"pip install {library}") from error
    except Exception as error:  # each file system has errors of its own
        if known and all((folder / local).is_file() for local in known):
            return folder
        hint = "check the address, the credentials and the network; or name local files"
        raise UserError(f"cannot read {url}: {type(error).__name__}: {error}", hint=hint) from error
    for local in known.keys() - marks.keys():
        (folder / local).unlink(missing_ok=True)
    if marks != known:
        durable.write_json(folder / LISTING, marks, "listing")
    return folder


def _names(system: Any, path: str) -> list[str]:
    """Files at a path, below it, or that its marks fit."""
    if any(mark in path for mark in "*?["):
        return sorted(str(name) for name in system.glob(path) if system.isfile(name))
    return sorted(system.find(path)) if system.isdir(path) else [path]


def _below(name: str, path: str) -> str:
    """Where a file lies below the part of the path that has no marks."""
    fixed, parts = PurePosixPath(re.split(r"[*?\[]", path, maxsplit=1)[0]), PurePosixPath(name)
    while not parts.is_relative_to(fixed) or parts == fixed:
        fixed = fixed.parent
    return str(parts.relative_to(fixed))


def _known(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / LISTING).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _cache() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(os.environ.get("ANADIL_CACHE") or caches / "anadil") / "sources"
