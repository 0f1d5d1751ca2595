"""Whether what is delivered is the model that was trained: each check stands alone and names the cause it found."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from anadil.artifact import MANIFEST, Hashes, StageFolder
from anadil.errors import UserError
from anadil.export.gguf import PRE_TOKENIZER, GgufType
from anadil.export.read_gguf import open_gguf, read_field
from anadil.export.same_weights import check_gguf, check_huggingface, check_tied
from anadil.export.verify import check_strings, compare_ids, server, verify
from anadil.model.load import load, quietly, special_ids
from anadil.tokenizer.check import Check, not_checked
from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.strings import random_strings
from anadil.tokenizer.template import FILE, Template, template_of, template_text

LEAST_STRINGS = 10_000
_ADAPTER_TOLERANCE = 1e-4
"""Of the largest logit: matrix products in another order differ by about 1e-6 a layer in float32."""
_CONVERSATION = [
    {"role": "system", "content": "Qısa cavab ver."},
    {"role": "user", "content": "  Salam! 10 GB neçəyədir?\n"},
    {"role": "assistant", "content": "12,50 AZN."},
    {"role": "user", "content": "Sağ ol 🙂"},
]


@dataclass(frozen=True)
class Delivered:
    """Folders of a run: `trained` has the model that was exported to `export`, made from `before` with `adapter`."""

    export: Path
    trained: Path
    before: Path | None = None
    adapter: Path | None = None

    @property
    def huggingface(self) -> Path:
        """The Hugging Face folder that leaves."""
        return self.export / "hf"

    @property
    def ggufs(self) -> dict[GgufType, Path]:
        """The GGUF files that leave, by type."""
        files = sorted(self.export.glob("model-*.gguf"))
        return {cast(GgufType, file.stem.removeprefix("model-")): file for file in files}


def check_delivered(
    run: Delivered, texts: Sequence[str], threads: int, strings: int = LEAST_STRINGS
) -> Iterator[Check]:
    """All checks of a run, one after the other; `texts` are of the target language, token ids of `strings` compared."""
    folder, ggufs = run.huggingface, run.ggufs
    template = template_of(run.trained, load_tokenizer(run.trained))
    yield _safely("files", lambda: _files(run.export))
    if run.adapter and run.before:
        before, adapter = run.before, run.adapter
        yield _safely("adapter", lambda: _adapter(before, adapter, run.trained, template, texts))
    yield _safely("Hugging Face weights", lambda: check_huggingface(run.trained, folder))
    yield _safely("tied weights", lambda: check_tied(run.trained, folder, list(ggufs.values())))
    yield _safely("template", lambda: _template(run.trained, folder, list(ggufs.values()), template))
    yield _safely("end of turn, Hugging Face", lambda: _ends(folder, template))
    for kind, file in ggufs.items():
        yield _safely(f"{file.name} weights", lambda file=file: check_gguf(run.trained, file))  # type: ignore[misc]
        yield _safely(f"{file.name} tokens", lambda file=file: _tokens(folder, file, texts, threads, strings))  # type: ignore[misc]
        yield _safely(f"{file.name} ends", lambda file=file: _ends_gguf(file, template, threads))  # type: ignore[misc]
        yield _safely(
            f"{file.name} logits",
            lambda kind=kind, file=file: _logits(run.trained, kind, file, texts, threads),  # type: ignore[misc]
        )


def _safely(name: str, check: Callable[[], Check]) -> Check:
    """A fault of one file must not hide what the others say."""
    try:
        return check()
    except ImportError as error:
        return not_checked(name, f"{error.name} is not installed")
    except UserError as error:
        return Check(name, False, error.what)
    except Exception as error:  # a damaged file can raise anything
        return Check(name, False, f"{type(error).__name__}: {error}")


def _files(export: Path) -> Check:
    """Sizes and hashes are those that the stage recorded."""
    manifest, hashes = StageFolder(export).manifest, Hashes()
    if manifest is None:
        return Check("files", False, f"{export} has no {MANIFEST}: the stage export is not done")
    total = 0
    for name, output in manifest["outputs"].items():
        file = export / name
        if not file.is_file():
            return Check("files", False, f"{name} is missing")
        if (size := file.stat().st_size) != output["bytes"]:
            return Check("files", False, f"{name} has {size:,} bytes, {output['bytes']:,} were written")
        if hashes.of(file) != output["sha256"]:
            return Check("files", False, f"{name} has another sha256 than was written")
        total += size
    return Check("files", True, f"{len(manifest['outputs'])} files, {total:,} bytes, each with the sha256 recorded")


@torch.no_grad()
def _adapter(before: Path, adapter: Path, trained: Path, template: Template, texts: Sequence[str]) -> Check:
    """The adapter on the model that it was trained on, as peft applies it, says what the merged model says."""
    asked = [*texts[:3], "Salam!"]
    prompts = [template.render([{"role": "user", "content": text[:200]}], True).ids for text in asked]
    model: Any = load(trained)
    merged = [model(torch.tensor([ids])).logits.float() for ids in prompts]
    likeliest = [_greedy(model, ids) for ids in prompts]
    try:
        with quietly():
            adapted: Any = PeftModel.from_pretrained(load(before), str(adapter))
    except (RuntimeError, ValueError, OSError) as error:
        return Check("adapter", False, f"{adapter} does not fit the model in {before}: {str(error).splitlines()[0]}")
    worst = 0.0
    for ids, logits in zip(prompts, merged, strict=True):
        theirs = adapted(torch.tensor([ids])).logits.float()
        worst = max(worst, float((theirs - logits).abs().max() / logits.abs().max()))
    same = sum(_greedy(adapted, ids) == said for ids, said in zip(prompts, likeliest, strict=True))
    detail = f"on {len(prompts)} prompts logits are within {worst:.1g} of the merged model's, {same} answers the same"
    return Check("adapter", worst <= _ADAPTER_TOLERANCE and same == len(prompts), detail)


def _greedy(model: Any, ids: Sequence[int], count: int = 16) -> list[int]:
    said = list(ids)
    for _ in range(count):
        said.append(int(model(torch.tensor([said])).logits[0, -1].argmax()))
    return said[len(ids) :]


def _template(trained: Path, folder: Path, ggufs: Sequence[Path], template: Template) -> Check:
    """The same bytes everywhere, and transformers makes the same ids of it."""
    found = {f"{folder.name}/{FILE}": template_text(folder)}
    found |= {file.name: read_field(open_gguf(file), "tokenizer.chat_template") for file in ggufs}
    for place, text in found.items():
        if text != template_text(trained):
            return Check("template", False, f"{place} has another chat template than the model was trained with")
    auto: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    theirs = auto.apply_chat_template(_CONVERSATION, add_generation_prompt=True, tokenize=True, return_dict=False)
    if list(theirs) != template.render(_CONVERSATION, True).ids:
        return Check("template", False, "transformers makes other ids of a conversation than those trained on")
    return Check("template", True, f"the same {len(template.text)} characters in {', '.join(found)}, the same ids")


def _ends(folder: Path, template: Template) -> Check:
    """Both configs name the end of turn, and transformers' own generation stops at it."""
    name, wanted = "end of turn, Hugging Face", special_ids(template)["eos_token_id"]
    for file in ("config.json", "generation_config.json"):
        found = json.loads((folder / file).read_bytes()).get("eos_token_id")
        listed = found if isinstance(found, list) else [found]
        if template.end_id not in listed:
            return Check(name, False, f"{file} ends at {found}; the template ends an answer with {template.end_id}")
        if set(listed) - set(wanted):
            return Check(name, False, f"{file} ends at {found}, among them what ends nothing; it should be {wanted}")
    with quietly():
        model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    prompt = torch.tensor([template.render(_CONVERSATION, True).ids])
    certain = {(template.end_id,): 1e4}
    said = model.generate(
        prompt, max_new_tokens=4, do_sample=False, sequence_bias=certain, attention_mask=prompt * 0 + 1
    )
    if said.shape[1] != prompt.shape[1] + 1:
        return Check(name, False, f"transformers goes on after the end of turn, {template.end_id}")
    return Check(name, True, f"{template.end_id} in both configs; transformers stops at it")


def _ends_gguf(file: Path, template: Template, threads: int) -> Check:
    """llama.cpp stops at the end of turn when it comes."""
    name, prompt = f"{file.name} ends", template.render(_CONVERSATION, True).ids
    recorded = read_field(open_gguf(file), "tokenizer.ggml.eot_token_id")
    with server(file, threads) as post:
        body = {"prompt": prompt, "n_predict": 4, "logit_bias": [[template.end_id, 1e4]], "temperature": 0.0}
        answer = post("/completion", body)
    if answer.get("stop_type") != "eos" or answer["tokens_predicted"] != 1:
        what = f"llama.cpp goes on after the end of turn, {template.end_id} (the file says {recorded})"
        return Check(name, False, what)
    return Check(name, True, f"llama.cpp stops at {template.end_id}")


def _tokens(folder: Path, file: Path, texts: Sequence[str], threads: int, count: int) -> Check:
    """llama.cpp gives the ids of the Hugging Face tokenizer."""
    name, found = f"{file.name} tokens", read_field(open_gguf(file), "tokenizer.ggml.pre")
    if found != PRE_TOKENIZER:
        return Check(name, False, f"tokenizer.ggml.pre is {found!r}, it has to be {PRE_TOKENIZER!r}")
    tokenizer = load_tokenizer(folder)
    lines = [line for text in texts for line in text.splitlines() if line.strip()][: count // 2]
    strings = check_strings(tokenizer, lines)
    strings += list(random_strings(max(0, count - len(strings)), seed=1))
    strings = [text.replace("\0", "") for text in strings]
    with server(file, threads) as post:
        same = compare_ids(tokenizer, post, strings, file)
    return Check(name, True, f"the same ids for {same:,} strings, {len(lines):,} of them of the corpus")


def _logits(trained: Path, kind: GgufType, file: Path, texts: Sequence[str], threads: int) -> Check:
    """llama.cpp computes with the file what torch computes with the trained weights."""
    facts = verify(trained, {kind: file}, samples=list(chain(texts))[:8], threads=threads)["files"][kind]
    error, unit = facts["rms_logprob_error"], facts["rms_logprob_error_torch_bf16"]
    detail = f"log-probabilities off by {error:.2g}, in bfloat16 torch's by {unit:.2g}"
    return Check(f"{file.name} logits", True, f"{detail}; {facts['greedy_equal']} of {facts['steps']} likeliest equal")
