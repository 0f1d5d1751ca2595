"""The commands by which two public tools build a vocabulary from the same base and text, for bench_vocabulary.py.

Both run from a checkout, unchanged, through their own command lines; what they need in another form (a data set on
disk, control tokens in the vocabulary of the model) is prepared before and not timed.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

_TO_DATASET = """
import sys
from datasets import load_dataset
*files, out = sys.argv[1:]
load_dataset("json", data_files=files, split="train").save_to_disk(out)
"""


@dataclass(frozen=True)
class Peer:
    """A checkout, the Python that can run it, the base's folder, the folder of texts, and one for its own files."""

    checkout: Path
    python: str
    base: Path
    texts: Path
    work: Path


class TokenizerExtension(Peer):
    """taidopurason/tokenizer-extension: continued BPE, and leaf pruning by frequency in a text."""

    def prepare(self) -> None:
        for name, languages in {"az": ["az"], "all": ["az", "en", "code"]}.items():
            files = [str(self.texts / f"{language}.jsonl") for language in languages]
            if not self._data(name).exists():
                subprocess.run([self.python, "-c", _TO_DATASET, *files, str(self._data(name))], check=True)

    def extend(self, number: int, out: Path) -> list[list[str]]:
        return self._extend(self.base, number, out, keep_control_ids=True)

    def same_size(self, ours: Path, out: Path) -> list[list[str]]:
        """As many tokens go and come as in the vocabulary `ours`; what stays is what en, code and az use most."""
        number = json.loads((ours / "surgery.json").read_text(encoding="utf-8"))["freed"]
        order, pruned = out / "order.json", out / "pruned"
        train = ["--output_path", order, "--pruner_name", "leaf_frequency", "--input_path", self._data("all")]
        prune = ["--output_path", pruned, "--prune_order_path", order, "--n_tokens", number]
        base = ["--tokenizer_path", self.base]
        steps = [self._script("train_pruner", *base, *train), self._script("prune_tokenizer", *base, *prune)]
        return steps + self._extend(
            pruned, number, out, keep_control_ids=False
        )  # they come last again: where they were

    def _extend(self, base: Path, number: int, out: Path, *, keep_control_ids: bool) -> list[list[str]]:
        learned = out / "learned"
        learned.mkdir(parents=True, exist_ok=True)
        more = number + number // 50  # it counts learned tokens that the base has already, and then lacks them
        train = ["--input_path", self._data("az"), "--output_path", learned, "--vocab_size", more]
        extend = ["--output_path", out, "--extension_path", learned, "--n_tokens", number]
        extend += ["--keep_added_token_positions", keep_control_ids]
        path = ["--tokenizer_path", base]
        return [self._script("train_extension", *path, *train), self._script("extend_tokenizer", *path, *extend)]

    def _script(self, name: str, *options: Any) -> list[str]:
        script = self.checkout / "scripts" / f"{name}.py"
        return ["env", f"PYTHONPATH={self.checkout}", self.python, *map(str, [script, *options])]

    def _data(self, name: str) -> Path:
        return self.work / "tokenizer-extension" / f"data-{name}"


class Nemotron(Peer):
    """NVIDIA-NeMo/Nemotron, steps/tokenizer_extension/extend: add, and replace (scripts out, learned tokens in)."""

    def prepare(self) -> None:
        """Its bases have their control tokens in the model's vocabulary; without that it numbers over Llama 3's."""
        self._base.mkdir(parents=True, exist_ok=True)
        for file in self.base.iterdir():
            (self._base / file.name).write_bytes(file.read_bytes())
        data = json.loads((self.base / "tokenizer.json").read_text(encoding="utf-8"))
        data["model"]["vocab"] |= {token["content"]: token["id"] for token in data["added_tokens"]}
        (self._base / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")

    def add(self, number: int, out: Path) -> list[list[str]]:
        return self._run(out, method="add", extension_size=number)

    def same_size(self, out: Path) -> list[list[str]]:
        """Every script of its table goes; as many tokens come."""
        sys.path.insert(0, str(self._steps))
        import script_ranges  # type: ignore[import-not-found]  # of the checkout

        names = ",".join(script_ranges.SCRIPT_UNICODE_RANGES)
        blocks = script_ranges.resolve_ranges(names.split(","))
        tokenizer = Tokenizer.from_file(str(self.base / "tokenizer.json"))
        tokens = (tokenizer.decode([number]) for number in range(tokenizer.get_vocab_size()))
        gone = sum(any(low <= ord(c) <= high for c in token for low, high in blocks) for token in tokens)
        return self._run(out, method="replace", extension_size=gone, remove_script=names)

    def _run(self, out: Path, **options: Any) -> list[list[str]]:
        corpus = {"hf_dataset": None, "path": str(self.texts / "az.jsonl"), "text_field": "text"}
        settings = {"model_id": str(self._base), "trust_remote_code": False, "output_dir": str(out), "corpus": corpus}
        settings |= {"script_normalizer": "none", **options}
        file = out / "settings.yaml"  # JSON is YAML
        file.write_text(json.dumps(settings), encoding="utf-8")
        return [[self.python, str(self._steps / "extend" / "step.py"), "--config", str(file)]]

    @property
    def _steps(self) -> Path:
        return self.checkout / "src" / "nemotron" / "steps" / "tokenizer_extension"

    @property
    def _base(self) -> Path:
        return self.work / "nemotron" / "base"
