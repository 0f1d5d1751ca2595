"""The parts of the road as commands of their own, without a recipe."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from anadil.cli.base import RUNS, Group, root
from anadil.errors import GATE_FAILED


def _vocabulary_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a vocabulary is made from and measured on."""
    options = [
        click.option("--language", default="az", show_default=True, help="The target language."),
        click.option("--original", default="en", show_default=True, help="The language the base speaks best."),
        click.option(
            "--candidate",
            multiple=True,
            help="Another vocabulary to build and measure: MODE or MODE:SIZE, such as extend:16000; may be repeated.",
        ),
        click.option(
            "--keep",
            multiple=True,
            help="Whose tokens stay: a language of the corpus, script:NAME, or a path of texts; may be repeated.",
        ),
        click.option(
            "--keep-min-count", type=click.IntRange(1), default=2, show_default=True, help="Uses in a kept text."
        ),
        click.option(
            "--target-min-count", type=click.IntRange(1), default=5, show_default=True, help="Uses in the target."
        ),
        click.option(
            "--min-pair-count", type=click.IntRange(1), default=2, show_default=True, help="Uses of a new token."
        ),
        click.option(
            "--measure-on",
            multiple=True,
            help="More texts to measure on: NAME=PATH (target language) or NAME=LANGUAGE:PATH; may be repeated.",
        ),
        click.option("--text-field", default="text", show_default=True, help="Field of these that holds the text."),
        click.option(
            "--most-kept-languages-may-pay",
            type=click.FloatRange(0),
            default=0.03,
            show_default=True,
            help="Share of more tokens in a kept language above which a candidate is not advised.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@root.group(cls=Group)
def corpus() -> None:
    """Clean text without a recipe.

    Examples:
    anadil corpus run --in texts/ --language az --out clean/ --json
    """


@corpus.command("run")
@click.option("--in", "source", required=True, type=click.Path(path_type=Path), help="File, folder or glob of texts.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--language", default="az", show_default=True, help="Language profile: a code or a path.")
@click.option("--text-field", default="text", show_default=True, help="Field that holds the text.")
@click.option(
    "--on-error", type=click.Choice(["stop", "skip"]), default="stop", show_default=True, help="At a bad line."
)
@click.option(
    "--heldout-share",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share held out.",
)
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 for one on each core.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def corpus_run(source: Path, out: Path, as_json: bool, **settings: Any) -> None:
    """Read, normalise, filter, remove duplicates, hold out, and account for every document.

    Examples:
    anadil corpus run --in texts/ --language az --out clean/
    anadil corpus run --in crawl.jsonl.gz --text-field body --on-error skip --out clean/ --json
    """
    from anadil.commands.tools import run_corpus

    run_corpus(source, out, as_json=as_json, **settings)


@corpus.command("inspect")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--show",
    "kinds",
    multiple=True,
    type=click.Choice(["kept", "rejected", "repaired", "copies"]),
    help="Which documents; may be repeated. Default: all four.",
)
@click.option("--reason", default="", help="Only rejected ones with this reason.")
@click.option("--source", default="", help="Only of this source.")
@click.option("--count", type=click.IntRange(1), default=5, show_default=True, help="Documents of each kind.")
@click.option("--seed", default=1, show_default=True, help="Other seeds, other documents.")
def corpus_inspect(folder: Path, kinds: tuple[str, ...], reason: str, source: str, count: int, seed: int) -> None:
    """Look at documents of a corpus: kept, rejected with the reason, repaired, copies.

    FOLDER is a run's folder, or what `corpus run --out` wrote.

    Examples:
    anadil corpus inspect runs/quickstart
    anadil corpus inspect clean/ --show rejected --reason wrong_language --count 20
    anadil corpus inspect clean/ --show repaired --source web
    """
    from anadil.commands.inspect_corpus import inspect

    inspect(folder, list(kinds), reason, source, count, seed)


@root.command()
@click.argument("identifier", metavar="ID")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace(identifier: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Say where a document is: which shards hold it, and which models were trained on it.

    FOLDERS are folders of runs or of `corpus run --out`; without any, all runs. For requests to delete somebody's text.

    Examples:
    anadil trace crm-20931
    anadil trace crm-20931 runs/az --json
    """
    from anadil.commands.trace import trace as find

    runs = sorted(path.parent for path in RUNS.glob("*/run.json"))
    find(identifier, list(folders) or runs, as_json=as_json)


@root.group(cls=Group)
def tokenizer() -> None:
    """Build a tokenizer without a recipe, or check one.

    Examples:
    anadil tokenizer build --base llama/ --corpus clean/ --keep en --out tokenizer/
    anadil tokenizer verify tokenizer/ --base llama/ --corpus clean/
    """


@tokenizer.command("build")
@click.option("--base", required=True, help="Folder of the base model or of its tokenizer.")
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Folder made by the corpus stage.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; it must not exist yet.")
@click.option(
    "--mode",
    type=click.Choice(["keep", "extend", "replace", "inplace"]),
    default="inplace",
    show_default=True,
    help="What is done with the base's vocabulary.",
)
@click.option("--new-tokens", type=click.IntRange(0), help="Tokens to add; default: all that can be freed.")
@click.option(
    "--vocab-size", type=click.IntRange(512), default=32_000, show_default=True, help="Entries (mode replace)."
)
@_vocabulary_options
@click.option("--json", "as_json", is_flag=True, help="Print the measurements and the decision as JSON.")
def tokenizer_build(base: str, corpus: Path, out: Path, as_json: bool, **settings: Any) -> None:
    """Fit a base's vocabulary to a language, measure it beside others, and say which to take.

    Writes a plain Hugging Face tokenizer folder with decision.json and decision.html.

    Examples:
    anadil tokenizer build --base llama/ --corpus clean/ --keep en --out tokenizer/
    anadil tokenizer build --base llama/ --corpus clean/ --candidate extend:16000 --candidate replace:32000 --out t/
    anadil tokenizer build --base llama/ --corpus clean/ --keep script:cyrillic --measure-on tr=tr:news/ --out t/ --json
    """
    from anadil.commands.tokenizer import Wishes, build_tokenizer

    build_tokenizer(base, corpus, out, Wishes(**settings), as_json=as_json)


@tokenizer.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--base", help="Folder of the base that it was made from, to compare with.")
@click.option("--corpus", type=click.Path(path_type=Path), help="Folder made by the corpus stage: real text to try.")
@click.option(
    "--strings", default=100_000, show_default=True, type=click.IntRange(0), help="Strings that go there and back."
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def tokenizer_verify(folder: Path, base: str | None, corpus: Path | None, strings: int, as_json: bool) -> None:
    """Check a tokenizer folder, and the model in it if there is one. Exits with 3, as for a gate, if a check fails.

    Examples:
    anadil tokenizer verify tokenizer/
    anadil tokenizer verify tokenizer/ --base llama/ --corpus clean/
    anadil tokenizer verify runs/quickstart/export/hf --json
    """
    from anadil.commands.verify import verify

    if not verify(folder, base, corpus, strings, as_json=as_json):
        sys.exit(GATE_FAILED)


@root.command()
@click.option("--base", required=True, help="Folder of the base model.")
@click.option(
    "--corpus",
    "texts",
    required=True,
    multiple=True,
    help="LANGUAGE=PATH: a file, folder or glob of texts, once for each language; or one folder of the corpus stage.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; a proof in it goes on.")
@_vocabulary_options
@click.option(
    "--megabytes",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    default=(0.15, 1.5, 3.0),
    show_default=True,
    help="Target text after which it is measured, 10^6 bytes; may be repeated.",
)
@click.option("--replay", type=click.FloatRange(0), default=0.2, show_default=True, help="Other text per target text.")
@click.option(
    "--seeds", type=click.IntRange(1, 20), default=1, show_default=True, help="Orders of the text, a row each."
)
@click.option("--documents", type=click.IntRange(10), default=200, show_default=True, help="Held-out documents a text.")
@click.option("--sequence-length", type=click.IntRange(16), default=512, show_default=True, help="Tokens.")
@click.option("--batch-tokens", type=click.IntRange(16), default=8192, show_default=True, help="Tokens of an update.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=3e-4, show_default=True, help="Peak.")
@click.option(
    "--precision", type=click.Choice(["bf16", "float32"]), default="bf16", show_default=True, help="Arithmetic."
)
@click.option(
    "--method",
    type=click.Choice(["calibrated", "mean", "random"]),
    default="calibrated",
    show_default=True,
    help="How new rows are made.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where.")
@click.option("--threads", type=click.IntRange(0), default=0, show_default=True, help="CPU threads; 0 for all cores.")
@click.option(
    "--micro-batch-tokens", type=click.IntRange(16), default=4096, show_default=True, help="Memory, not result."
)
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def prove(base: str, texts: tuple[str, ...], out: Path, as_json: bool, **settings: Any) -> None:
    """Is a new vocabulary worth it, with your base and your text? Trains each a little, measures, says go or no-go.

    Compares the base as it is with each candidate, after equal text and after equal seconds. Every row that is done
    is kept: the same command goes on where it stopped. Exits with 3 on a no-go.

    Examples:
    anadil prove --base llama/ --corpus az=texts/ --corpus en=english.jsonl --out proof/
    anadil prove --base llama/ --corpus clean/ --keep en --candidate inplace:32000 --candidate extend:16000 --out proof/
    """
    from anadil.commands.prove import Amounts, prove_on
    from anadil.commands.tokenizer import Wishes
    from anadil.recipe import Run

    run = Run(**{name: settings.pop(name) for name in ("device", "threads", "micro_batch_tokens")})
    amounts = Amounts(**{name: settings.pop(name) for name in Amounts.__dataclass_fields__})
    wishes = Wishes(**settings, mode="keep", new_tokens=None, vocab_size=32_000)
    if not prove_on(base, texts, out, wishes, amounts, run, as_json=as_json):
        sys.exit(GATE_FAILED)


@root.group("eval", cls=Group)
def evaluate() -> None:
    """Measure any model, with or without a run.

    Examples:
    anadil eval bpb runs/quickstart/export/hf texts.jsonl --json
    """


@evaluate.command("bpb")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--text-field", default="text", show_default=True, help="Field that holds the text.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bits_per_byte(model: Path, file: Path, text_field: str, as_json: bool) -> None:
    """Bits per byte of a Hugging Face folder or a GGUF file on a text or jsonl file.

    Examples:
    anadil eval bpb runs/quickstart/export/hf texts.jsonl
    anadil eval bpb model-q8_0.gguf story.txt --json
    """
    from anadil.commands.tools import measure_bits_per_byte

    measure_bits_per_byte(model, file, text_field, as_json=as_json)


@root.group(cls=Group)
def bench() -> None:
    """Measure speed and memory here, beside what others would use.

    Examples:
    anadil bench train --model runs/quickstart/transfer/model --tokens runs/quickstart/encode --out bench
    """


@bench.command("train")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Folder of a Hugging Face model.")
@click.option("--tokens", type=click.Path(path_type=Path), help="An encode folder of a run; default: random documents.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for results; goes on there.")
@click.option("--way", "ways", multiple=True, help="A way to train; may be repeated; default: all that run here.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Times that each way is run.")
@click.option("--updates", default=8, show_default=True, type=click.IntRange(3), help="Updates in a run.")
@click.option("--sequence-length", default=256, show_default=True, type=click.IntRange(16), help="Tokens.")
@click.option("--batch-tokens", default=8192, show_default=True, type=click.IntRange(16), help="Tokens of an update.")
@click.option(
    "--micro-batch-tokens", default=0, type=click.IntRange(0), help="Tokens at a time; default by the device."
)
@click.option("--precision", type=click.Choice(["bf16", "float32"]), default="bf16", show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", default=0, help="CPU threads; 0 for all cores.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench_train(
    model: Path,
    tokens: Path | None,
    out: Path,
    ways: tuple[str, ...],
    rounds: int,
    updates: int,
    sequence_length: int,
    batch_tokens: int,
    micro_batch_tokens: int,
    precision: str,
    device: str,
    threads: int,
    as_json: bool,
) -> None:
    """Train a model for a few updates in each of several ways: Hugging Face's Trainer, anadil, anadil without a part.

    All ways start from the same weights and see the same tokens. What is measured is not measured again.

    Examples:
    anadil bench train --model runs/quickstart/transfer/model --tokens runs/quickstart/encode --out bench
    anadil bench train --model ../llama --out bench --way hf --way anadil --sequence-length 2048
    """
    from anadil.commands.bench import bench_train as measure
    from anadil.recipe import Run

    run = Run.model_validate({"device": device, "threads": threads, "micro_batch_tokens": micro_batch_tokens})
    measure(
        model, tokens, out, list(ways), rounds, updates, run,
        sequence_length=sequence_length, global_batch_tokens=batch_tokens, precision=precision, as_json=as_json,
    )  # fmt: skip
