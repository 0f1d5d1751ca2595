"""One update of a model: forward, backward, clipped gradient, AdamW; on one process or on many."""

import ctypes
import math
import sys
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from anadil.context import Context
from anadil.model import ranks, sharding
from anadil.model.attention import use_cpu_attention
from anadil.model.blocks import Recompute, compile_blocks, recompute
from anadil.model.kernels import use_kernels
from anadil.model.load import check_packing, plain_model
from anadil.model.objective import Objective
from anadil.model.packed_attention import can_be_packed, document_ends, use_packed_attention
from anadil.model.sharding import Shard
from anadil.progress import Progress
from anadil.recipe import Optimisation
from anadil.train.data import Batch
from anadil.train.fit import fit
from anadil.train.optim import adamw


@dataclass(frozen=True)
class Update:
    """What one update found; where a number is not finite the weights did not change."""

    loss: float
    """Nats a label, mean over the global batch."""
    norm: float
    """Of the gradient, before it is clipped."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.norm)


@dataclass(frozen=True)
class Place:
    """How an engine does its work; decides speed and memory, and rounding: a resumed run does as before."""

    processes: int
    micro_batch_tokens: int
    recompute: Recompute
    shard: Shard
    loss: str


class Engine:
    """A model made ready to be trained where `context` says, with its optimizer.

    Every process makes one, from the same model; its parameters that want a gradient are trained. `before` is the place
    of an earlier attempt. UserError for a model that mixes packed documents, whose loss cannot be taken from its hidden
    states, or that does not fit.
    """

    def __init__(self, model: nn.Module, settings: Optimisation, context: Context, before: Place | None = None):
        torch.set_num_threads(context.threads)
        plain = plain_model(model)
        on_gpu = plain.device.type == "cuda"
        embedding: Any = plain.get_input_embeddings()
        embedding.padding_idx = None  # its row would get no gradient; what is not to be learned has no label
        check_packing(model)
        if not on_gpu:
            _keep_freed_memory()
            use_cpu_attention(plain)
        self.model, self._settings = model, settings
        self.objective = Objective(model, bf16=settings.precision == "bf16")
        if on_gpu and self.objective.bf16 and can_be_packed(plain):
            take_packed_attention(self.objective, context.progress)
        self.place = self._placed(context, before if before and before.processes == ranks.world()[1] else None)
        recompute(model, self.place.recompute)
        if context.compile == "on" or (context.compile == "auto" and on_gpu):
            compile_blocks(model)
        sharding.shard(self.objective, self.place.shard)
        self.optimizer = adamw(model, settings)
        self._trained = [p for p in model.parameters() if p.requires_grad]
        model.train()

    def _placed(self, context: Context, before: Place | None) -> Place:
        if not before:
            way = ranks.agreed(fit(self.objective, self._settings, context))
            context.progress.line(way.line())
            before = Place(ranks.world()[1], way.micro_batch_tokens, way.recompute, way.shard, "")
        loss = use_kernels(self.objective, context.kernels, before.micro_batch_tokens, before.loss)
        return replace(before, loss=ranks.agreed(loss))

    def update(self, batch: Batch, rate: float) -> Update:
        """Change the weights by the gradient of the global batch's mean loss; every process gets the same batch."""
        loss = self._backward(batch)
        norm = float(sharding.whole(nn.utils.clip_grad_norm_(self._trained, self._settings.clip)))
        found = Update(loss, norm)
        if found.finite:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return found

    def _backward(self, batch: Batch) -> float:
        """Gradients of the global batch's mean loss, and that loss."""
        size = ranks.world()[1]
        scale = size / max(1, batch.labelled)  # gradients are averaged over the processes
        device = self.objective.device
        loss = torch.zeros((), device=device)
        micros = self._mine(batch)
        for number, micro in enumerate(micros):
            sharding.micro_batch_follows(self.objective, number + 1 < len(micros))
            inputs = [micro.input_ids_BT, micro.labels_BT, micro.position_ids_BT]
            if self.objective.packed:
                inputs.append(document_ends(micro.position_ids_BT))  # here, for on a GPU it would have to wait
            total = self.objective(*(x.to(device, non_blocking=True) for x in inputs)) * scale
            total.backward()
            loss += total.detach()
        return ranks.summed([float(loss)])[0] / size

    def _mine(self, batch: Batch) -> list[Batch]:
        """This process's micro batches; as many on each, for they gather weights together."""
        rank, size = ranks.world()
        rows, length = batch.input_ids_BT.shape
        each = math.ceil(rows / size)
        at_a_time = max(1, self.place.micro_batch_tokens // length)
        mine = batch.rows(rank * each, (rank + 1) * each).split(at_a_time)
        return mine + [batch.rows(0, 1).without_labels()] * (math.ceil(each / at_a_time) - len(mine))


@torch.no_grad()
def take_packed_attention(objective: Objective, progress: Progress) -> None:
    """Let a model use `packed_attention` if it gives here what masks give; else masks stay, and a line says so."""
    plain = plain_model(objective.model)
    before, size = plain.config._attn_implementation, plain.config.vocab_size
    ids = (torch.arange(256, device=objective.device) * 7919 % size).view(2, 128)
    positions = torch.cat([torch.arange(48), torch.arange(80)]).repeat(2, 1).to(objective.device)
    masked = float(objective(ids, ids, positions))
    try:
        use_packed_attention(plain)
        packed, said = float(objective(ids, ids, positions)), "another loss"
    except (RuntimeError, ImportError, TypeError, ValueError) as error:
        packed, said = math.nan, str(error).splitlines()[0]
    if not math.isclose(masked, packed, rel_tol=0.01):
        plain.set_attn_implementation(before)
        progress.line(f"  packed attention does not work here ({said}): masks are used")


def _keep_freed_memory() -> None:
    """Let glibc keep freed tensors: asking the kernel for zeroed pages anew each step cost 20-35% of CPU speed."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
