"""The log of training for TensorBoard, where `run.tensorboard` asks for it."""

from pathlib import Path
from typing import Any

from anadil.errors import UserError

FOLDER = "tensorboard"
NOT_CURVES = ("step", "tokens", "seconds")


class Board:
    """Writes each number of a log line under its name, at its step, into `<run>/tensorboard/<stage>`.

    A resumed run hides what it wrote after `step`. UserError where TensorBoard is not installed.
    """

    def __init__(self, out: Path, step: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as missing:
            hint = "pip install tensorboard, or leave run.tensorboard out"
            raise UserError("run.tensorboard = true, but TensorBoard is not installed", hint=hint) from missing
        self._writer: Any = SummaryWriter(str(out.parent / FOLDER / out.name), purge_step=step + 1)

    def write(self, row: dict[str, Any]) -> None:
        """One line of the log."""
        for name, value in row.items():
            if name not in NOT_CURVES and value is not None:
                self._writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Bring everything to the disk."""
        self._writer.close()
