"""The loop: what it promises about batches, documents, interruption and broken numbers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tests.train.tiny import SHAPE, VOCAB
from torch import nn
from transformers import FalconConfig, FalconForCausalLM

from anadil.context import Context
from anadil.errors import Interrupted, UserError
from anadil.model import load
from anadil.recipe import Optimisation
from anadil.train import loop
from anadil.train.data import Batch
from anadil.train.engine import Engine

STEPS = 6
SETTINGS = Optimisation(sequence_length=16, global_batch_tokens=64, precision="float32", checkpoint_every=2)


def batch_of(step: int) -> Batch:
    """Four rows of two documents each; the first row has few labels."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, VOCAB, (4, 17), generator=generator)
    labels = ids[:, 1:].clone()
    labels[0, 3:] = -100
    positions = torch.cat([torch.arange(6), torch.arange(10)]).repeat(4, 1)
    return Batch(ids[:, :-1], labels, positions)


def run(
    out: Path,
    *,
    steps: int = STEPS,
    batches: Callable[[int], Batch] = batch_of,
    settings: Optimisation = SETTINGS,
    model: nn.Module | None = None,
    micro: int = 64,
    stop_after: int | None = None,
    fingerprint: str = "f",
    report_to: tuple[str, ...] = (),
    evaluate: loop.Evaluate | None = None,
    best_of: str | None = None,
) -> tuple[nn.Module, loop.State]:
    model = model or load.from_shape(SHAPE, VOCAB, seed=1)
    asked = iter(range(1, 1000))
    context = Context(
        stop_requested=lambda: stop_after is not None and next(asked) >= stop_after,
        micro_batch_tokens=micro,
        fingerprint=fingerprint,
        report_to=report_to,
    )
    state = loop.train(
        model,
        batches,
        settings,
        out,
        context,
        steps=steps,
        seed=1,
        evaluate=evaluate,
        evaluate_after=lambda step: step % 2 == 0,
        best_of=best_of,
    )
    return model, state


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in loop.read_metrics(out) if "loss" in row]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_stopped_and_resumed_is_bit_equal_to_never_stopped(tmp_path: Path, precision: str, stop_after: int) -> None:
    settings = SETTINGS.model_copy(update={"precision": precision})
    whole, _ = run(tmp_path / "a", settings=settings)
    with pytest.raises(Interrupted):
        run(tmp_path / "b", settings=settings, stop_after=stop_after)
    resumed, state = run(tmp_path / "b", settings=settings)
    assert same(whole, resumed)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert (state.step, state.tokens) == (STEPS, STEPS * 64)


def test_killed_after_a_checkpoint_is_bit_equal_too(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "a")

    def dies(step: int) -> Batch:
        if step == 5:
            raise KeyboardInterrupt
        return batch_of(step)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", batches=dies)
    with open(tmp_path / "b" / loop.METRICS, "a") as file:
        file.write('{"step": 6, "lo')  # a torn line
    resumed, _ = run(tmp_path / "b")
    assert same(whole, resumed)
    assert [r["step"] for r in loop.read_metrics(tmp_path / "b")] == [*range(1, STEPS + 1)]


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run(tmp_path, steps=8)
    found = sorted(path.name for path in (tmp_path / loop.CHECKPOINTS).iterdir())
    assert found == ["step-000006", "step-000008"]


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(UserError, match="another configuration"):
        run(tmp_path, fingerprint="g")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / loop.CHECKPOINTS / "step-000006" / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(UserError, match="step-000006"):
        run(tmp_path)


def test_micro_batches_change_memory_not_the_result(tmp_path: Path) -> None:
    run(tmp_path / "a", micro=64, steps=1)
    run(tmp_path / "b", micro=16, steps=1)
    [a], [b] = losses(tmp_path / "a"), losses(tmp_path / "b")
    assert a == pytest.approx(b, rel=1e-6)
    norms = [loop.read_metrics(tmp_path / x)[0]["grad_norm"] for x in "ab"]
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)


def gradients(batch: Batch, micro: int) -> list[torch.Tensor]:
    model = load.from_shape(SHAPE, VOCAB, seed=1)
    Engine(model, SETTINGS, Context(micro_batch_tokens=micro))._backward(batch)
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_gradients_of_one_and_of_four_micro_batches_are_equal() -> None:
    for one, four in zip(gradients(batch_of(0), 64), gradients(batch_of(0), 16), strict=True):
        assert float((one - four).abs().max()) < 1e-6


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_document_does_not_see_the_one_before_it(precision: str) -> None:
    settings = SETTINGS.model_copy(update={"precision": precision})
    batch = batch_of(0)
    batch.labels_BT[:, :6] = -100  # only the second document of each row counts
    changed = batch.input_ids_BT.clone()
    changed[:, :6] = 7
    other = Batch(changed, batch.labels_BT, batch.position_ids_BT)
    found = []
    for given in (batch, other, Batch(changed, batch.labels_BT, torch.arange(16).repeat(4, 1))):
        model = load.from_shape(SHAPE, VOCAB, seed=1)
        found.append(Engine(model, settings, Context()).update(given, 1e-3).loss)
    assert found[0] == found[1]
    assert found[0] != found[2]  # without the restart it would see it


def test_numbers_that_are_not_finite_skip_the_update_and_are_counted(tmp_path: Path) -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, *g: torch.Tensor) -> torch.Tensor:
            return g[0] * float("nan") if at == [2] else g[0]

    at: list[int] = []
    model = load.from_shape(SHAPE, VOCAB, seed=1)
    snapshots = []

    def count(module: nn.Module, args: object, given: dict[str, torch.Tensor]) -> None:
        if module.training and len(given["input_ids"]) == 4:  # an update, not a look at what it will take
            at[:] = [len(snapshots)]
            snapshots.append([p.detach().clone() for p in model.parameters()])

    model.model.register_forward_pre_hook(count, with_kwargs=True)
    model.model.norm.register_forward_hook(lambda module, args, out: Broken.apply(out))
    _, state = run(tmp_path, model=model)
    changed = [any(not torch.equal(a, b) for a, b in zip(x, y, strict=True)) for x, y in pairwise(snapshots)]
    assert changed == [True, True, False, True, True]
    assert (state.skipped, state.skipped_in_a_row) == (1, 0)
    assert [row["grad_norm"] is None for row in loop.read_metrics(tmp_path)].index(True) == 2


def test_a_run_that_only_gives_nan_stops(tmp_path: Path) -> None:
    model = load.from_shape(SHAPE, VOCAB, seed=1)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("inf"))
    with pytest.raises(UserError, match="8 times in a row"):
        run(tmp_path, model=model, steps=20)


def test_the_curve_has_every_step_and_the_evaluations(tmp_path: Path) -> None:
    values = iter(range(100))
    run(tmp_path, steps=5, evaluate=lambda step, objective: {"score": float(next(values))})
    rows = [json.loads(line) for line in (tmp_path / loop.METRICS).read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert {row["step"]: row["score"] for row in rows if "score" in row} == {0: 0, 2: 1, 4: 2, 5: 3}
    assert set(rows[1]) == {
        "step", "loss", "lr", "grad_norm", "tokens", "seconds", "tokens_per_second", "peak_gib", "waited_seconds",
    }  # fmt: skip
    assert [row["tokens"] for row in rows[1:]] == [64, 128, 192, 256, 320]


def test_dropout_is_resumed_too(tmp_path: Path) -> None:
    def with_dropout() -> nn.Module:
        model = load.from_shape(SHAPE, VOCAB, seed=1)
        model.model.norm.register_forward_hook(
            lambda module, args, out: nn.functional.dropout(out, 0.5, module.training)
        )
        return model

    whole, _ = run(tmp_path / "a", model=with_dropout())
    with pytest.raises(Interrupted):
        run(tmp_path / "b", model=with_dropout(), stop_after=3)
    resumed, _ = run(tmp_path / "b", model=with_dropout())
    assert same(whole, resumed)


def never(step: int) -> Batch:
    raise AssertionError(f"step {step} was done again")


@pytest.mark.parametrize("steps", [STEPS, STEPS - 1])  # the last step is a multiple of checkpoint_every, or is not
def test_killed_after_the_last_step_nothing_is_trained_again(tmp_path: Path, steps: int) -> None:
    whole, state = run(tmp_path, steps=steps, evaluate=lambda step, objective: {"score": 1.0})
    curve = (tmp_path / loop.METRICS).read_bytes()
    resumed, again = run(tmp_path, steps=steps, batches=never, evaluate=lambda step, objective: {"score": 2.0})
    assert same(whole, resumed)
    assert again == state
    assert (tmp_path / loop.METRICS).read_bytes() == curve


def test_the_curve_is_on_the_disk_before_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    run(tmp_path / "out", steps=4)
    of_interest = [name for name in synced if name in (loop.METRICS, "state.json", "out")]
    published = [place for place, name in enumerate(of_interest) if name == "state.json"]
    for number, place in enumerate(published, 1):  # a checkpoint is published some updates after its curve is synced
        assert of_interest[:place].count(loop.METRICS) >= number
        assert of_interest[:place].count("out") >= number
    assert len(published) == 2


@pytest.mark.parametrize(
    "junk", [b"\0" * 40, b"\0" * 40 + b"\n", b'{"step": 4, "lo\n', b"\xc3\n", b"7\n", b'{"loss": 1.0}\n']
)
def test_what_a_power_cut_left_in_the_curve_is_dropped(tmp_path: Path, junk: bytes) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, stop_after=3)
    with open(tmp_path / loop.METRICS, "ab") as file:
        file.write(junk)
    run(tmp_path)
    assert [row["step"] for row in loop.read_metrics(tmp_path)] == [*range(1, STEPS + 1)]


def test_a_model_that_mixes_packed_documents_is_refused(tmp_path: Path) -> None:
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = FalconForCausalLM(FalconConfig(vocab_size=VOCAB, bos_token_id=0, eos_token_id=0, **shape))
    with pytest.raises(UserError, match="FalconForCausalLM"):
        run(tmp_path, model=model)


def test_the_row_of_the_padding_token_learns_too(tmp_path: Path) -> None:
    def with_padding(padding: int | None) -> nn.Module:
        model = load.from_shape(SHAPE, VOCAB, seed=1, tied=False)
        model.model.embed_tokens.padding_idx = padding
        return model

    token = int(batch_of(0).input_ids_BT[1, 0])
    (first, _), (second, _) = (run(tmp_path / str(p), model=with_padding(p)) for p in (None, token))
    assert same(first, second)


def test_a_large_seed_is_a_seed(tmp_path: Path) -> None:
    settings = SETTINGS
    for seed in (5_000_000_000, 2**63):
        model = load.from_shape(SHAPE, VOCAB, seed=1)
        state = loop.train(model, batch_of, settings, tmp_path / str(seed), Context(), steps=1, seed=seed)
        assert state.step == 1


def test_the_best_weights_can_be_taken_instead_of_the_last(tmp_path: Path) -> None:
    scores = {0: 9.0, 2: 5.0, 4: 7.0, 6: 6.0}
    flat = SETTINGS.model_copy(update={"schedule": "wsd", "min_learning_rate_ratio": 1.0, "warmup_share": 0.0})

    def going(out: Path, stop_after: int | None = None) -> tuple[nn.Module, loop.State]:
        return run(
            out, stop_after=stop_after, evaluate=lambda step, objective: {"score": scores[step]}, best_of="score",
            settings=flat,
        )  # fmt: skip

    whole, state = going(tmp_path / "a")
    assert (state.step, state.best_step, state.best) == (6, 2, 5.0)
    with pytest.raises(Interrupted):
        going(tmp_path / "b", stop_after=5)
    again, _ = going(tmp_path / "b")
    assert same(whole, again)
    assert same(whole, run(tmp_path / "c", settings=flat, steps=2)[0])
    kept = sorted(path.name for path in (tmp_path / "a" / loop.CHECKPOINTS).iterdir())
    assert kept == ["step-000002", "step-000004", "step-000006"]


def test_a_full_disk_stops_and_the_last_good_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = run(tmp_path / "a")
    monkeypatch.setenv("ANADIL_FAILPOINT", "checkpoint.write:enospc@2")
    monkeypatch.setattr("anadil.durable._hits", {})
    with pytest.raises(UserError, match="No space left on device"):
        run(tmp_path / "b")
    monkeypatch.delenv("ANADIL_FAILPOINT")
    assert [path.name for path in (tmp_path / "b" / loop.CHECKPOINTS).glob("step-*")] == ["step-000002"]
    resumed, _ = run(tmp_path / "b")
    assert same(whole, resumed)


def test_a_disk_that_fills_up_while_tensors_are_written_is_a_user_error(tmp_path: Path) -> None:
    """For real: the process may not write files larger than this."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from tests.train.test_loop import run
from anadil.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    run(Path({str(tmp_path)!r}))
except UserError as error:
    print(error.what)
    sys.exit(2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stdout
    assert not list((tmp_path / loop.CHECKPOINTS).glob("step-*"))


def test_a_resumed_run_does_as_before_whatever_memory_there_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, micro=0, stop_after=3)
    place = json.loads((tmp_path / loop.PLACE).read_bytes())
    monkeypatch.setattr("anadil.train.fit.room_on", lambda device, processes: 1)
    _, state = run(tmp_path, micro=0)
    assert state.step == STEPS
    assert json.loads((tmp_path / loop.PLACE).read_bytes()) == place
    assert place == {
        "processes": 1,
        "micro_batch_tokens": 64,
        "recompute": "none",
        "shard": "optimizer",
        "loss": "torch",
    }


def test_tensorboard_gets_the_curves_and_a_resumed_run_goes_on_there(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Interrupted):
        run(tmp_path / "pretrain", stop_after=3, report_to=("tensorboard",))
    run(tmp_path / "pretrain", report_to=("tensorboard",), evaluate=lambda step, objective: {"score": float(step)})
    events = EventAccumulator(str(tmp_path / "tensorboard" / "pretrain"))
    events.Reload()
    rows = loop.read_metrics(tmp_path / "pretrain")
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([row["loss"] for row in rows])
    assert [event.step for event in events.Scalars("score")] == [4, 6]
    assert not (tmp_path / "pretrain" / "tensorboard").exists()


def test_without_tensorboard_it_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(UserError, match="has tensorboard, but it is not installed"):
        run(tmp_path, report_to=("tensorboard",))
    assert not (tmp_path / loop.METRICS).exists()


def test_mlflow_gets_each_step_once_however_often_the_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "mine" / "pretrain"
    with pytest.raises(Interrupted):
        run(folder, stop_after=3, report_to=("mlflow",))
    newest = max((folder / "checkpoints").iterdir())
    newest.rename(newest.with_name(".lost"))  # step 3 is done again, from the start
    run(folder, report_to=("mlflow",), evaluate=lambda step, objective: {"score": float(step)})
    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mine")
    runs = client.search_runs([experiment.experiment_id])
    assert [one.info.run_name for one in runs] == ["pretrain"]
    history = client.get_metric_history(runs[0].info.run_id, "loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4, 5, 6]
    assert [m.value for m in history] == pytest.approx([row["loss"] for row in loop.read_metrics(folder)])
    run(tmp_path / "mine" / "again", report_to=("mlflow",))
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_an_mlflow_that_goes_away_does_not_stop_the_training_and_gets_everything_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("anadil.train.board.EVERY_SECONDS", 0.0)
    send, tries = MlflowClient.log_batch, list[int]()

    def often_gone(self: MlflowClient, run_id: str, metrics: list[object]) -> None:
        tries.append(len(metrics))
        if len(tries) == 2:
            raise MlflowException("connection refused\nand more")
        send(self, run_id, metrics=metrics)

    monkeypatch.setattr(MlflowClient, "log_batch", often_gone)
    _, state = run(tmp_path / "mine" / "pretrain", report_to=("mlflow",))
    assert state.step == STEPS
    assert len(tries) == 3  # the second failed, and the next try was at the end: a minute had not gone by
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mine/mlflow.db'}")
    (one,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert [metric.step for metric in client.get_metric_history(one.info.run_id, "loss")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("uri", ["sqlite:////proc/no/mlflow.db", "http://127.0.0.1:9"])
def test_an_mlflow_that_does_not_answer_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=f"{uri} does not answer"):
        run(tmp_path, report_to=("mlflow",))
    assert not (tmp_path / loop.METRICS).exists()
