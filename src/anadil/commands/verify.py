"""`anadil tokenizer verify`: a line for each thing that was checked in a folder."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from pyarrow import ArrowException

from anadil import hub
from anadil.corpus.build import sources, texts
from anadil.errors import UserError
from anadil.tokenizer.check import Check, not_checked
from anadil.tokenizer.verify import verify_tokenizer


def verify(folder: Path, base: str | None, corpus: Path | None, strings: int, *, as_json: bool) -> bool:
    """Check the tokenizer in a folder, and its model if it has weights; print the checks; False if one failed."""
    before = hub.local_folder(base, None) if base else None
    lines = _lines(corpus, [source["name"] for source in sources(corpus)]) if corpus else ()
    checks = verify_tokenizer(folder, before, lines, strings)
    if checks[0].passed and any(folder.glob("*.safetensors")):
        checks += _model(folder, before)
    failed = [check for check in checks if not check.passed]
    if as_json:
        listed = [asdict(check) | {"result": check.result} for check in checks]
        found = {"folder": str(folder), "passed": not failed, "checks": listed}
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return not failed
    for check in checks:
        print(f"{check.result:<12} {check.name:<22} {check.detail.removeprefix('not checked: ')}")
    print(f"{len(failed)} of {len(checks)} checks failed" if failed else f"{folder} is as it should be")
    return not failed


def _lines(corpus: Path, names: Iterable[str]) -> Iterator[str]:
    """Held-out lines of every source that has any."""
    for name in (name for name in names if (corpus / "text" / name / "heldout.parquet").is_file()):
        try:
            for text in texts(corpus, name, "heldout"):
                yield from text.splitlines(keepends=True)
        except (OSError, ArrowException) as error:
            what = f"cannot read the held-out text of {name!r} in {corpus}: {error}"
            raise UserError(what, hint="make the corpus again with `anadil corpus run`") from error


def _model(folder: Path, base: Path | None) -> list[Check]:
    if find_spec("torch") is None or find_spec("transformers") is None:
        return [not_checked("model", "torch and transformers are not installed: pip install 'anadil[train]'")]
    from anadil.model.verify import verify_model

    return verify_model(folder, base)
