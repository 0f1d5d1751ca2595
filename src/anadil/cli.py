"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import anadil
from anadil.errors import Interrupted, UserError

GATE_FAILED = 3
RUNS = Path("runs")
REFUSED = {
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EEXIST: "something else is there: name another path",
    errno.ENOTDIR: "a folder is needed here: name another path",
    errno.EISDIR: "a file is needed here: name another path",
    errno.EROFS: "nothing can be written there: work in another folder, or name one with --run-folder or --out",
    errno.ENOSPC: "free some space, then run the same command again",
}
"""What the system refuses because of a path that the user chose, with the hint; every other OSError is our bug."""


class _Help:
    """Help that opens with examples: they stand in the docstring after a line `Examples:`."""

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        text = (self.help or "").strip()  # type: ignore[attr-defined]
        about, _, examples = text.partition("Examples:")
        formatter.write("Examples:\n")
        for line in examples.strip().splitlines():
            formatter.write(f"  {line.strip()}\n")
        formatter.write(f"\n{' '.join(about.split())}\n\n")
        self.format_usage(context, formatter)  # type: ignore[attr-defined]
        self.format_options(context, formatter)  # type: ignore[attr-defined]


class _Command(_Help, click.Command):
    pass


class _Group(_Help, click.Group):
    command_class = _Command
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the road, not of the alphabet


def main() -> None:
    """Entry point: user errors and bad usage exit with 2, a failed gate with 3, our own bugs show a traceback."""
    # Before torch is loaded: threads that spin while they wait cost a shared machine four fifths of its speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        root.main(standalone_mode=False)
    except UserError as error:
        _complain(error.what, error.hint)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stdout.write(f"{error.format_message()}\n")
        sys.exit(2)
    except click.UsageError as error:
        _complain(error.format_message(), f"see {error.ctx.command_path if error.ctx else 'anadil'} --help")
        sys.exit(2)
    except (Interrupted, KeyboardInterrupt, click.Abort):
        _complain("stopped; what was done is kept", "run the same command again to go on")
        sys.exit(Interrupted.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in REFUSED or not error.filename:
            raise
        _complain(f"{error.filename}: {error.strerror}", REFUSED[error.errno])
        sys.exit(2)


def _complain(what: str, hint: str) -> None:
    sys.stderr.write(f"error: {what}\n" + (f"  {hint}\n" if hint else ""))


@click.group(cls=_Group, context_settings={"max_content_width": 100, "terminal_width": 100})
@click.version_option(anadil.__version__, prog_name="anadil")
def root() -> None:
    """From raw text in your language and an open base model to a tested chatbot, from one recipe.

    Examples:
    anadil run quickstart          the built-in example, a few minutes on a laptop
    anadil chat quickstart         talk to what it made
    anadil init my-bot             a recipe with sample texts, to put yours in their place
    anadil plan my-bot/recipe.toml what would run, and why
    anadil run my-bot/recipe.toml  run it; what is done is never done twice
    """


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    settings = click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe."
    )
    folder = click.option("--run-folder", type=click.Path(path_type=Path), help="Where to run; default runs/<name>.")
    recipe = click.argument("recipe")
    return recipe(settings(folder(command)))


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


@root.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a new recipe with sample texts into FOLDER, to put your own in their place.

    Examples:
    anadil init my-bot
    anadil run my-bot/recipe.toml
    """
    from anadil.commands.init import init as write

    recipe = write(folder)
    click.echo(
        f"Wrote {recipe} and sample data beside it.\nNext: put your texts in {folder}, then  anadil run {recipe}"
    )


@root.command()
@_recipe_options
@click.option("--why", is_flag=True, help="Name every key and file that changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(recipe: str, settings: tuple[str, ...], run_folder: Path | None, why: bool, as_json: bool) -> None:
    """Show which stages are done, which would run, and why. Runs nothing.

    Examples:
    anadil plan quickstart
    anadil plan recipes/az.toml --why
    anadil plan recipes/az.toml --set pretrain.learning_rate=1e-4
    """
    from anadil.commands.run import show_plan

    show_plan(recipe, list(settings), run_folder, RUNS, why=why, as_json=as_json)


@root.command()
@_recipe_options
@click.option("--rerun", is_flag=True, help="Make stale stages anew; each old one is kept until the new one is done.")
def run(recipe: str, settings: tuple[str, ...], run_folder: Path | None, rerun: bool) -> None:
    """Run every stage that is not done yet, then write the report. Exits with 3 if a gate fails.

    Examples:
    anadil run quickstart
    anadil run recipes/az.toml
    anadil run recipes/az.toml --set pretrain.epochs=2 --rerun
    """
    from anadil.commands.run import run_recipe

    if not run_recipe(recipe, list(settings), run_folder, RUNS, rerun=rerun):
        sys.exit(GATE_FAILED)


@root.command()
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print stages, states, fingerprints and metrics as JSON.")
def show(run: str, as_json: bool) -> None:
    """Show a run: its stages and the one-page report, in the terminal or as JSON.

    Examples:
    anadil show quickstart
    anadil show quickstart --json
    """
    from anadil.commands.run import show_run

    show_run(_run_folder(run), as_json=as_json)


@root.command()
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(run_a: str, run_b: str, as_json: bool) -> None:
    """Show the metrics of two runs side by side.

    Examples:
    anadil compare quickstart my-bot
    anadil compare runs/a runs/b --json
    """
    from anadil.commands.run import compare_runs

    compare_runs(_run_folder(run_a), _run_folder(run_b), as_json=as_json)


@root.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--engine", type=click.Choice(["auto", "xllamacpp", "transformers"]), default="auto", help="What generates."
)
def chat(run: str, engine: str) -> None:
    """Talk to the model of a run in the terminal.

    Examples:
    anadil chat quickstart
    echo "Balansımı necə yoxlayım?" | anadil chat quickstart
    """
    from anadil.commands.talk import talk

    talk(_run_folder(run), engine)


@root.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--engine", type=click.Choice(["auto", "xllamacpp", "transformers"]), default="auto", help="What generates."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(run: str, engine: str, host: str, port: int) -> None:
    """Serve a run: OpenAI's chat API and a chat page for the browser.

    Examples:
    anadil serve quickstart
    anadil serve quickstart --host 0.0.0.0 --port 8080
    """
    from anadil.commands.talk import listen

    listen(_run_folder(run), engine, host, port)


@root.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check this machine: Python, packages, memory, disk, GPU; say what each missing piece is for.

    Examples:
    anadil doctor
    """
    from anadil.commands.doctor import examine

    if not examine(as_json=as_json):
        sys.exit(1)


@root.group(cls=_Group)
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
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def corpus_run(source: Path, out: Path, as_json: bool, **settings: Any) -> None:
    """Read, normalise, filter, remove duplicates, hold out, and account for every document.

    Examples:
    anadil corpus run --in texts/ --language az --out clean/
    anadil corpus run --in crawl.jsonl.gz --text-field body --on-error skip --out clean/ --json
    """
    from anadil.commands.tools import run_corpus

    run_corpus(source, out, as_json=as_json, **settings)


@root.group(cls=_Group)
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


@root.group("eval", cls=_Group)
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


def _run_folder(name: str) -> Path:
    """The folder of a run given by path or by name."""
    for folder in (Path(name), RUNS / name):
        if (folder / "run.json").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in RUNS.glob("*/run.json"))) or "none yet"
    raise UserError(f"no run at {name}", hint=f"runs here: {known}; `anadil run quickstart` makes one")


if __name__ == "__main__":
    main()
