"""Errors that a user can act on. Everything else that escapes is a bug of ours and shows a traceback."""

GATE_FAILED = 3
"""Exit code of a run that is done but failed a gate."""


class UserError(Exception):
    """Something the user can put right: `what` happened to which value, and as `hint` what to do next.

    The command line prints both and exits with 2.
    """

    exit_code = 2

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  {self.hint}" if self.hint else self.what


class Gone(UserError):
    """Another process of the run ended in the middle of what they did together; it knows why."""

    exit_code = 4


class Interrupted(Exception):
    """A stop was asked for (Ctrl-C, SIGTERM); what was done so far is saved. Exit code 130."""

    exit_code = 130
