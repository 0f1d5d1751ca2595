"""What every command shares: the group, help that opens with examples, and how errors leave the program."""

import errno
import os
import sys
from pathlib import Path

import click

import anadil
from anadil.errors import Interrupted, UserError

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


class Group(_Help, click.Group):
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


@click.group(cls=Group, context_settings={"max_content_width": 100, "terminal_width": 100})
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


def run_folder_of(name: str) -> Path:
    """The folder of a run given by path or by name."""
    for folder in (Path(name), RUNS / name):
        if (folder / "run.json").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in RUNS.glob("*/run.json"))) or "none yet"
    raise UserError(f"no run at {name}", hint=f"runs here: {known}; `anadil run quickstart` makes one")
