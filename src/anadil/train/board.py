"""The log of training for the tools that `run.report_to` names: TensorBoard, MLflow."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from anadil.errors import UserError

NOT_CURVES = ("step", "tokens", "seconds")
EVERY_SECONDS = 5.0


class Board(Protocol):
    """Takes the numbers of each log line, under their names, at their step."""

    def write(self, row: dict[str, Any]) -> None:
        """One line of the log."""

    def close(self) -> None:
        """Bring everything to where it is kept."""


def open_boards(names: Sequence[str], out: Path, step: int) -> list[Board]:
    """The boards named, for a run that has done `step` updates. UserError where one is not installed or not reached."""
    kinds: dict[str, Callable[[Path, int], Board]] = {"tensorboard": TensorBoard, "mlflow": MLflow}
    return [kinds[name](out, step) for name in names]


class TensorBoard:
    """Curves in `<run>/tensorboard/<stage>`. A resumed run hides what was written after `step`."""

    def __init__(self, out: Path, step: int):
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

    def __init__(self, out: Path, step: int):
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
            from mlflow.exceptions import MlflowException
        except ImportError as missing:
            raise _not_installed("mlflow", "mlflow") from missing
        self._metric, self._waiting, self._since = Metric, list[Any](), time.monotonic()
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
        if time.monotonic() - self._since > EVERY_SECONDS:
            self._send()

    def _send(self) -> None:
        for start in range(0, len(self._waiting), 1000):  # what a server takes at once
            self._client.log_batch(self._run, metrics=self._waiting[start : start + 1000])
        self._waiting, self._since = [], time.monotonic()

    def close(self) -> None:
        self._send()


def _curves(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NOT_CURVES and value is not None}


def _not_installed(name: str, package: str) -> UserError:
    hint = f"pip install {package}, or take it out of run.report_to"
    return UserError(f"run.report_to has {name}, but it is not installed", hint=hint)
