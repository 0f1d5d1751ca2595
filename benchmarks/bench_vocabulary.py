"""Vocabularies made from Llama 3's for Azerbaijani, Turkish, Finnish and Estonian: what each costs in tokens, for the
language and for those it should not hurt, beside Llama 3's own and beside two public tools on the same text.

    ANADIL_DATA=/path/to/data python benchmarks/bench_vocabulary.py --base FOLDER [--work FOLDER] [--rounds N]
        [--russian CHECKOUT] [--peer-python PYTHON --tokenizer-extension CHECKOUT --nemotron CHECKOUT]

BASE holds Llama 3's tokenizer.json. Every vocabulary is built in a process of its own from the same cleaned text files
in WORK (kept between runs), in turns, N times; a row per vocabulary goes to results/vocabulary.jsonl. Checkouts:
progit/progit2-ru (Russian prose to measure on), taidopurason/tokenizer-extension and NVIDIA-NeMo/Nemotron, the last
two run with PYTHON, which has `transformers datasets fire heapdict pandas pyyaml requests sentencepiece`.
"""

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import peer_vocabularies
import proxy_texts
from tokenizers import Tokenizer

from anadil.corpus.build import build as build_corpus
from anadil.corpus.build import sources, texts
from anadil.environment import describe
from anadil.languages import load_profile
from anadil.progress import to_stderr
from anadil.recipe import Corpus, Source
from anadil.tokenizer.count import count_words
from anadil.tokenizer.load import load_tokenizer, read_vocabulary
from anadil.tokenizer.prune import check_ids, check_text
from anadil.tokenizer.strings import random_strings
from anadil.tokenizer.surgery import Kept, Size, build, pre_tokenizer_of

ROWS = Path(__file__).parent / "results" / "vocabulary.jsonl"
TARGETS = {"az": "az/*/*.jsonl.gz"} | {code: f"other_languages/{code}_*/train.jsonl.gz" for code in ("tr", "fi", "et")}
FLORES = {"az": "azj_Latn", "en": "eng_Latn", "kk": "kaz_Cyrl", "tr": "tur_Latn", "fi": "fin_Latn", "et": "est_Latn"}
Keep = tuple[dict[str, int], dict[str, int | None]]
KEEP: dict[str, Keep] = {
    "": ({"en": 2, "code": 10}, {"cyrillic": None}),
    "more English": ({"en": 1, "code": 10}, {"cyrillic": None, "latin": 20_000}),
}
"""Languages with the number of uses from which a token stays, and scripts with the first ids that stay (None: all)."""
TARGET_MIN_COUNT = 50
ODD_STRINGS = 2_000
ADDED = (16_000, 32_000)


@dataclass(frozen=True)
class Job:
    """One vocabulary: `commands()` build the folder `out` when run one after the other; seconds of each round."""

    tool: str
    setting: str
    target: str
    out: Path
    commands: Callable[[], list[list[str]]]


def prepare(data: Path, work: Path) -> Path:
    """The cleaned texts as WORK/texts/<language>.jsonl, from the project's own corpus stage."""
    out = work / "texts"
    if out.exists():
        return out
    proxy_texts.main(work / "code")
    files = {code: sorted(data.glob(pattern)) for code, pattern in TARGETS.items()}
    files |= {"en": sorted(data.glob("en/*/*.jsonl.gz")) + sorted(data.glob("en/*/[tv]*[td].txt"))}
    files |= {"code": [work / "code" / "code.jsonl"]}
    named = [(code, number, path) for code, some in files.items() for number, path in enumerate(some)]
    listed = [Source(name=f"{code}-{number}", path=path, language=code) for code, number, path in named]
    corpus = work / "corpus"
    build_corpus(Corpus(sources=listed, heldout_share=0, on_error="skip"), "az", corpus, to_stderr())
    part = work / "texts.part"
    part.mkdir(exist_ok=True)
    for code in files:
        own = [source["name"] for source in sources(corpus) if source["language"] == code]
        with open(part / f"{code}.jsonl", "w", encoding="utf-8") as file:
            for text in (text for name in own for text in texts(corpus, name, "train")):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return part.rename(out)


def build_ours(base: Path, mode: Any, new_tokens: int | None, keep: str, target: str, folder: Path, out: Path) -> None:
    """Count the words of the texts and build: all that is timed of ours."""
    cut, (least, scripts) = pre_tokenizer_of(base), KEEP[keep]
    counts = {code: count_words(read(folder / f"{code}.jsonl"), cut).words for code in (target, *least)}
    kept = [Kept(code, counts[code], number) for code, number in least.items()]
    size = Size(new_tokens=new_tokens, target_min_count=TARGET_MIN_COUNT, keep_scripts=scripts)
    build(base, mode, counts[target], kept, size, out)


def our_jobs(base: Path, folder: Path, work: Path) -> Iterator[Job]:
    settings: list[tuple[str, str, int | None, str]] = [(target, "inplace", None, "") for target in TARGETS]
    settings += [("az", "inplace", None, "more English"), *(("az", "extend", number, "") for number in ADDED)]
    for target, mode, new_tokens, keep in settings:
        setting = (mode if new_tokens is None else f"{mode}-{new_tokens}") + (f", {keep}" if keep else "")
        out = work / "anadil" / f"{target}-{setting}".replace(", ", "-").replace(" ", "-")
        call = [str(base), mode, new_tokens, keep, target, str(folder), str(out)]
        command = [sys.executable, __file__, "--build", json.dumps(call)]
        yield Job("anadil", setting, target, out, partial(list, [command]))


def peer_jobs(options: argparse.Namespace, folder: Path, work: Path) -> Iterator[Job]:
    """The two tools: +16,000 and +32,000 tokens, and pruned and refilled at the size of the base."""
    if not options.peer_python:
        return
    base = work / "peer-base"
    if not base.exists():
        build(options.base, "keep", {}, [], Size(), base)
    ours = work / "anadil" / "az-inplace"
    common = (options.peer_python, base, folder, work)
    if options.tokenizer_extension:
        peer = peer_vocabularies.TokenizerExtension(options.tokenizer_extension.resolve(), *common)
        peer.prepare()
        for number in ADDED:
            out = work / "tokenizer-extension" / f"az-extend-{number}"
            yield Job("tokenizer-extension", f"extend-{number}", "az", out, partial(peer.extend, number, out))
        out = work / "tokenizer-extension" / "az-same-size"
        yield Job("tokenizer-extension", "leaf-frequency same size", "az", out, partial(peer.same_size, ours, out))
    if options.nemotron:
        nemotron = peer_vocabularies.Nemotron(options.nemotron.resolve(), *common)
        nemotron.prepare()
        for number in ADDED:
            out = work / "nemotron" / f"az-add-{number}"
            yield Job("nemotron", f"add-{number}", "az", out, partial(nemotron.add, number, out))
        out = work / "nemotron" / "az-same-size"
        yield Job("nemotron", "replace same size", "az", out, partial(nemotron.same_size, out))


def timed(job: Job) -> dict[str, float]:
    """Run the commands of a job: wall and CPU seconds summed, the largest peak memory; RuntimeError where one fails."""
    job.out.mkdir(parents=True, exist_ok=True)
    threads = str(describe()["cores"])
    environment = os.environ | {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    began, cpu, peak = time.monotonic(), 0.0, 0
    for command in job.commands():
        with tempfile.TemporaryFile() as messages:
            process = subprocess.Popen(command, env=environment, stdout=messages, stderr=messages)
            _, status, used = os.wait4(process.pid, 0)
            messages.seek(0)
            if status:
                raise RuntimeError(f"{' '.join(command)}\n{messages.read().decode(errors='replace')[-3000:]}")
        cpu, peak = cpu + used.ru_utime + used.ru_stime, max(peak, used.ru_maxrss)
    wall = time.monotonic() - began
    return {"wall_seconds": wall, "cpu_seconds": cpu, "peak_memory_gib": peak / 2**20}


def read(file: Path) -> Iterator[str]:
    """The texts of a jsonl file, compressed or not."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else open(file, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def samples(data: Path, work: Path, russian: Path | None) -> dict[str, list[str]]:
    """What is measured on: FLORES train and dev; held-out code; Russian; Azerbaijani typed in two other ways."""
    parts = [
        (code, data / "eval/sib200_flores" / f"{name}_{part}.jsonl")
        for code, name in FLORES.items()
        for part in ("train", "dev")
    ]
    found: dict[str, list[str]] = {}
    for code, file in parts:
        found.setdefault(code, []).extend(read(file))
    profile = load_profile("az")
    found["az ascii"] = [profile.fold_ascii(text) for text in found["az"]]
    found["az uppercase"] = [profile.upper(text) for text in found["az"]]
    found["code"] = list(read(work / "code" / "code_heldout.jsonl"))
    comments = (text for path in sorted(data.glob("az/*/train.jsonl.gz")) for text in read(path))
    found["ru comments"] = [text for text in comments if _is_russian(text)]
    if russian:
        chapters = (path.read_text(encoding="utf-8") for path in sorted(russian.rglob("book/**/*.asc")))
        found["ru book"] = [line for chapter in chapters for line in chapter.splitlines() if _is_russian(line)]
    return found


def _is_russian(text: str) -> bool:
    """Nearly all letters are Russian ones: the few Russian texts among the others, and prose between commands."""
    own = len(re.findall("[а-яёА-ЯЁ]", text))
    return own > 20 and own > 0.9 * sum(map(str.isalpha, text))


def tokens_per_word(tokenizer: Tokenizer, some: Iterable[str]) -> float:
    """Tokens (no BOS) by words between white space."""
    listed = list(some)
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(listed, add_special_tokens=False))
    return tokens / sum(len(text.split()) for text in listed)


def losses(tokenizer: Tokenizer, some: Iterable[str]) -> int:
    """Texts that decoding does not give back."""
    plain = ((text, tokenizer.encode(text, add_special_tokens=False).ids) for text in some)
    return sum(tokenizer.decode(ids, skip_special_tokens=False) != text for text, ids in plain)


def facts(base: Path, out: Path, on: dict[str, list[str]]) -> dict[str, Any]:
    """What a vocabulary is and costs: tokens per word and their change against the base's, ids, round trips."""
    before, after = load_tokenizer(base), load_tokenizer(out)
    old, new = (tokenizer.get_vocab(with_added_tokens=True) for tokenizer in (before, after))
    vocabulary = read_vocabulary(base)
    figures = {name: (tokens_per_word(before, some), tokens_per_word(after, some)) for name, some in on.items()}
    odd = list(random_strings(ODD_STRINGS, 1))
    return {
        "tokens_per_word": {name: round(value, 4) for name, (_, value) in figures.items()},
        "change": {name: round(value / was - 1, 4) for name, (was, value) in figures.items()},
        "vocabulary_tokens": max(new.values()) + 1,
        "ids_kept": sum(new.get(token) == identifier for token, identifier in old.items()),
        "ids_moved": sum(new.get(token, identifier) != identifier for token, identifier in old.items()),
        "ids_gone": sum(token not in new for token in old),
        "control_ids_kept": sum(new.get(name) == identifier for name, identifier in vocabulary.added_ids.items()),
        "check_ids_same": after.encode(check_text(vocabulary), add_special_tokens=False).ids == check_ids(vocabulary),
        "round_trip_failures": {name: losses(after, some) for name, some in on.items()} | {"odd": losses(after, odd)},
    }


def row_of(job: Job, rounds: list[dict[str, float]], what: dict[str, Any], load: float) -> dict[str, Any]:
    seconds = {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]} if rounds else {}
    named = {"what": "vocabulary", "tool": job.tool, "setting": job.setting, "target": job.target}
    return named | {"rounds": len(rounds)} | seconds | what | {"load_before": round(load, 2), "environment": describe()}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: tokens per word, and in brackets the change against the base."""
    names = list(rows[0]["tokens_per_word"])
    lines = [
        "| target | tool | " + " | ".join(names) + " | s (CPU) | GiB | size | ids kept | check | round trips lost |"
    ]
    lines.append("|---" * (len(names) + 8) + "|")
    for row in rows:
        cells = [f"{row['tokens_per_word'][name]:.3f} ({100 * row['change'][name]:+.1f}%)" for name in names]
        seconds = f"{row.get('wall_seconds', 0):.0f} ({row.get('cpu_seconds', 0):.0f})"
        lost = sum(row["round_trip_failures"].values())
        ends = [seconds, f"{row.get('peak_memory_gib', 0):.1f}", row["vocabulary_tokens"], row["ids_kept"]]
        ends += ["same" if row["check_ids_same"] else "other", lost]
        lines.append(
            "| " + " | ".join(map(str, [row["target"], f"{row['tool']} {row['setting']}", *cells, *ends])) + " |"
        )
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    data, work, load = Path(os.environ["ANADIL_DATA"]), options.work.resolve(), os.getloadavg()[0]
    options.base = options.base.resolve()
    folder = prepare(data, work)
    jobs = [*our_jobs(options.base, folder, work), *peer_jobs(options, folder, work)]
    done: dict[Job, list[dict[str, float]]] = {
        job: [] for job in jobs if options.only in f"{job.tool} {job.setting} {job.target}"
    }
    for _ in range(options.rounds):
        for job, rounds in done.items():
            print(f"{job.target} {job.tool} {job.setting} ...", file=sys.stderr, flush=True)
            rounds.append(timed(job))
    on = samples(data, work, options.russian)
    words = {name: sum(len(text.split()) for text in some) for name, some in on.items()}
    own = Job("Llama 3", "as it is", "-", options.base, partial(list, []))
    rows = [
        row_of(job, rounds, facts(options.base, job.out, on) | {"words": words}, load)
        for job, rounds in [(own, []), *done.items()]
    ]
    with open(options.rows, "a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    print(table(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="folder of Llama 3's tokenizer.json")
    parser.add_argument("--work", type=Path, default=Path("runs/bench_vocabulary"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="only vocabularies whose tool, setting and target hold this text")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--russian", type=Path)
    parser.add_argument("--peer-python")
    parser.add_argument("--tokenizer-extension", type=Path)
    parser.add_argument("--nemotron", type=Path)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        base, mode, new_tokens, keep, target, folder, out = json.loads(options.build)
        build_ours(Path(base), mode, new_tokens, keep, target, Path(folder), Path(out))
    else:
        run(options)


if __name__ == "__main__":
    main()
