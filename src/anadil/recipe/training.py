"""[transfer] and [pretrain]: how the weights change."""

from typing import Literal

from pydantic import Field, model_validator

from anadil.recipe.table import Table


class Optimisation(Table):
    """What continued pre-training and fine-tuning have in common."""

    sequence_length: int = Field(default=1024, ge=16, description="tokens in one packed sequence")
    global_batch_tokens: int = Field(default=65_536, ge=16, description="tokens in one update of the weights")
    learning_rate: float = Field(default=3e-4, gt=0, description="peak learning rate")
    warmup_share: float = Field(default=0.03, ge=0, lt=1, description="share of the steps over which it rises")
    schedule: Literal["cosine", "wsd"] = Field(default="cosine", description="cosine, or warm-up, stable, decay")
    decay_share: float = Field(default=0.2, gt=0, le=1, description="share of the steps over which wsd falls")
    min_learning_rate_ratio: float = Field(default=0.1, ge=0, le=1, description="last learning rate / peak")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW weight decay of the matrices")
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["bf16", "float32"] = Field(default="bf16", description="arithmetic; weights stay float32")
    epochs: float = Field(default=1.0, gt=0, description="times over the data")
    steps: int | None = Field(default=None, gt=0, description="updates, instead of epochs")
    checkpoint_every: int = Field(default=200, gt=0, description="steps between checkpoints")


class Settle(Optimisation):
    """Updates of the new rows alone, before anything else of the model moves."""

    learning_rate: float = Field(default=1e-3, gt=0, description="peak learning rate")
    steps: int | None = Field(default=100, gt=0, description="updates")


class Transfer(Table):
    """How the rows of new tokens are made."""

    method: Literal["calibrated", "mean", "random"] = Field(
        default="calibrated",
        description="mean of the old pieces with calibrated probability, norm-matched mean, or random rows",
    )
    sample_tokens: int = Field(default=16_384, ge=1_024, description="tokens of text used to calibrate")
    settle: Settle | None = Field(
        default=None, description="train the new rows alone for some updates, all else frozen; default: no such phase"
    )


class Phase(Table):
    """A part of continued pre-training with its own mixture of the sources."""

    share: float = Field(gt=0, le=1, description="share of the updates; those of all phases make 1")
    weights: dict[str, float] = Field(
        default={},
        description="times the text of a source occurs in one epoch, by name; others as in the corpus",
    )


class Pretrain(Optimisation):
    """Continued pre-training on the encoded corpus."""

    phases: list[Phase] = Field(default=[], description="mixtures, one after the other; default: that of the corpus")
    keep: Literal["last", "best"] = Field(
        default="last",
        description="weights that leave the stage: the last, or the best on held-out text of the target",
    )

    eval_every: int = Field(default=200, gt=0, description="steps between measurements on held-out text")
    eval_tokens: int = Field(default=65_536, gt=0, description="held-out tokens a language in such a measurement")

    @model_validator(mode="after")
    def _shares(self) -> "Pretrain":
        if self.phases and abs(sum(phase.share for phase in self.phases) - 1) > 1e-6:
            shares = ", ".join(f"{phase.share:g}" for phase in self.phases)
            raise ValueError(f"the shares of the phases make {sum(p.share for p in self.phases):g}, not 1: {shares}")
        return self
