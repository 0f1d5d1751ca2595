"""The log of training for the tools that `run.report_to` names: TensorBoard, MLflow."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from anadil.errors import UserError
from anadil.progress import Progress

NOT_CURVES = ("step", "tokens", "seconds")
EVERY_SECONDS = 5.0
AT_ONCE = 1000
"""Figures that an MLflow server takes."""


class Board(Protocol):
    """Takes the numbers of each log line, under their names, at their step."""

    def write(self, row: dict[str, Any]) -> None:
        """One line of the log."""

    def close(self) -> None:
        """Bring everything to where it is kept."""


def open_boards(names: Sequence[str], out: Path, step: int, progress: Progress) -> list[Board]:
    """The boards named, for a run that has done `step` updates. UserError where one is not installed or not reached."""
    kinds: dict[str, Callable[[Path, int, Progress], Board]] = {"tensorboard": TensorBoard, "mlflow": MLflow}
    return [kinds[name](out, step, progress) for name in names]


class TensorBoard:
    """Curves in `<run>/tensorboard/<stage>`. A resumed run hides what was written after `step`."""

    def __init__(self, out: Path, step: int, progress: Progress):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as missing:
            raise _not_installed("tensorboard", "tensorboard") from missing
        self._writer: Any = SummaryWriter(str(out.parent / "tensorboard" / out.name), purge_step=step + 1)

    def write(self, row: dict[str, Any]) -> None:
        for name, value in _curves(row).items():
            self._writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        self._writer.close()


class MLflow:
    """Curves in the MLflow that MLFLOW_TRACKING_URI names, else in the SQLite file `<run>/mlflow.db`.

    The experiment is the run folder's name, and each of its stages one MLflow run, which goes on when it is resumed:
    steps done again are those written already, and MLflow cannot take a value back.
    """

    def __init__(self, out: Path, step: int, progress: Progress):
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
            from mlflow.exceptions import MlflowException
        except ImportError as missing:
            raise _not_installed("mlflow", "mlflow") from missing
        self._metric, self._error, self._progress = Metric, MlflowException, progress
        self._waiting, self._since, self._pause = list[Any](), time.monotonic(), EVERY_SECONDS
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out.parent / 'mlflow.db').resolve()}"
        try:
            self._client: Any = MlflowClient(tracking_uri=uri)
            self._run = self._find_or_make(out)
            history = self._client.get_metric_history(self._run, "loss")
        except (MlflowException, OSError) as error:
            what = f"run.report_to has mlflow, but {uri} does not answer: {error}"
            raise UserError(what, hint="set MLFLOW_TRACKING_URI to one that does, or leave it unset") from error
        self._last = max((metric.step for metric in history), default=-1)

    def _find_or_make(self, out: Path) -> str:
        name = out.parent.resolve().name
        experiment = self._client.get_experiment_by_name(name)
        known = experiment.experiment_id if experiment else self._client.create_experiment(name)
        tags = {"anadil.stage": out.name, "anadil.folder": str(out.resolve())}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self._client.search_runs([known], wanted) if (out / "checkpoints").exists() else []
        return str((found[0] if found else self._client.create_run(known, run_name=out.name, tags=tags)).info.run_id)

    def write(self, row: dict[str, Any]) -> None:
        if row["step"] <= self._last:
            return
        now = int(time.time() * 1000)
        self._waiting += [self._metric(name, float(value), now, row["step"]) for name, value in _curves(row).items()]
        if time.monotonic() - self._since > self._pause:
            self._send()

    def _send(self) -> None:
        """A server that is gone does not stop the training: what it missed is sent later, and is in the log anyway."""
        try:
            while self._waiting:
                self._client.log_batch(self._run, metrics=self._waiting[:AT_ONCE])
                del self._waiting[:AT_ONCE]
            self._pause = EVERY_SECONDS
        except (self._error, OSError) as error:
            self._pause = max(60.0, 2 * self._pause)  # each try waits for minutes itself
            self._progress.line(f"  MLflow took {len(self._waiting)} figures not: {str(error).splitlines()[0]}")
        self._since = time.monotonic()

    def close(self) -> None:
        self._send()


def _curves(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NOT_CURVES and value is not None}


def _not_installed(name: str, package: str) -> UserError:
    hint = f"pip install {package}, or take it out of run.report_to"
    return UserError(f"run.report_to has {name}, but it is not installed", hint=hint)
