"""`anadil verify RUN`: is what a run delivers the model that it trained?"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from anadil.artifact import StageFolder
from anadil.corpus.build import sources, texts
from anadil.environment import available_cores
from anadil.errors import UserError
from anadil.evaluate.bits_per_byte import score
from anadil.export.delivered import Delivered, check_delivered
from anadil.languages import language_key
from anadil.model.adapter import ADAPTER
from anadil.tokenizer.check import Check, not_checked

MODELS = ("sft", "pretrain", "transfer")
DOCUMENTS, MEASURED = 400, 40
WITHIN = {"f32": 0.01, "bf16": 0.01, "q8_0": 0.01}
"""Share of the Hugging Face folder's bits per byte by which a file may be worse; of 4 bits it is only said."""


def verify_run(run: Path, *, as_json: bool) -> bool:
    """Print a line for each check of what the run delivers; False if one failed."""
    found, heldout = _delivered(run), list(_heldout(run))
    checks: list[Check] = []
    for check in (*check_delivered(found, heldout, available_cores()), *_bits(found, heldout)):
        checks.append(check)
        if not as_json:
            print(f"{check.result:<12} {check.name:<26} {check.detail.removeprefix('not checked: ')}", flush=True)
    failed = sum(not check.passed for check in checks)
    if as_json:
        listed = [asdict(check) | {"result": check.result} for check in checks]
        print(json.dumps({"run": str(run), "passed": not failed, "checks": listed}, indent=2, ensure_ascii=False))
    else:
        print(f"{failed} of {len(checks)} checks failed" if failed else f"{run} delivers the model that it trained")
    return not failed


def _delivered(run: Path) -> Delivered:
    """The folders of a run; UserError if it has exported nothing."""
    manifest = StageFolder(run / "export").manifest
    if manifest is None:
        raise UserError(f"{run} has no finished stage export", hint=f"run its recipe first; `anadil show {run.name}`")
    made = next(name for name in MODELS if name in manifest["inputs"])
    adapter = run / made / ADAPTER
    before = next((run / name / "model" for name in MODELS[1:] if (run / name / "model").is_dir()), None)
    if made != "sft" or not adapter.is_dir():
        return Delivered(run / "export", run / made / "model")
    return Delivered(run / "export", run / made / "model", before, adapter)


def _heldout(run: Path) -> Iterator[str]:
    """Held-out documents of the target language, in which all else is written too."""
    corpus = run / "corpus"
    if not (corpus / "sources.json").is_file():
        return
    target = language_key(json.loads((run / "run.json").read_bytes())["recipe"]["language"])
    mine = [source["name"] for source in sources(corpus) if source["language"] == target]
    for name in mine:
        yield from islice(texts(corpus, name, "heldout"), DOCUMENTS // max(1, len(mine)))


def _bits(found: Delivered, heldout: list[str]) -> Iterator[Check]:
    """What each file's rounding costs on held-out text."""
    documents = heldout[:MEASURED]
    if not documents:
        yield not_checked("bits per byte", "the run has no held-out text")
        return
    reference = _bits_per_byte(found.huggingface, documents)
    for kind, file in found.ggufs.items():
        name = f"{file.name} bits per byte"
        try:
            mine = _bits_per_byte(file, documents)
        except UserError as error:
            yield Check(name, False, error.what)
            continue
        change = mine / reference - 1
        passed = change <= WITHIN[kind] if kind in WITHIN else math.isfinite(mine)
        yield Check(name, passed, f"{mine:.4f}, {change:+.2%} against {reference:.4f} of the Hugging Face folder")


def _bits_per_byte(model: Path, documents: list[str]) -> float:
    scores = score(model, documents)
    return float(np.sum(scores.bits) / np.sum(scores.bytes))
