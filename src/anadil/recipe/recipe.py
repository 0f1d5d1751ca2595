"""The whole recipe."""

from typing import Literal

from pydantic import Field, model_validator

from anadil.recipe.base import Base
from anadil.recipe.corpus import Corpus
from anadil.recipe.delivery import Export, Run, Serve
from anadil.recipe.evaluation import Evaluate, Gate
from anadil.recipe.sft import Sft
from anadil.recipe.table import Language, Table
from anadil.recipe.tokenizer import Tokenizer
from anadil.recipe.training import Pretrain, Transfer

Stage = Literal["corpus", "tokenizer", "encode", "transfer", "pretrain", "sft", "export", "evaluate"]
STAGES: tuple[Stage, ...] = ("corpus", "tokenizer", "encode", "transfer", "pretrain", "sft", "export", "evaluate")


class Recipe(Table):
    """Everything that decides the result. States only what differs from the defaults."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="name of the run; its folder is runs/<name>")
    language: Language = Field(description="the language the model is to learn: a profile's code or path (.toml)")
    seed: int = Field(default=1, ge=0, description="seed of every random choice")
    stages: list[Stage] = Field(default=list(STAGES), min_length=1, description="the stages to run, in order")
    base: Base
    corpus: Corpus
    tokenizer: Tokenizer = Tokenizer()
    transfer: Transfer = Transfer()
    pretrain: Pretrain = Pretrain()
    sft: Sft | None = None
    export: Export = Export()
    evaluate: Evaluate = Evaluate()
    gates: list[Gate] = Field(default=[], description="thresholds, one [[gates]] each")
    serve: Serve = Serve()
    run: Run = Run()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.stages != [s for s in STAGES if s in self.stages]:
            raise ValueError(f"stages must be distinct and in this order: {', '.join(STAGES)}")
        if "sft" in self.stages and self.sft is None:
            raise ValueError("the stage sft needs a table [sft] with data; or leave it out of `stages`")
        names = [source.name for source in self.corpus.sources]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two corpus sources are named {sorted(twice)[0]!r}; give each its own name")
        if not any(s.language == self.language and s.weight > 0 for s in self.corpus.sources):
            raise ValueError(f"no corpus source has language {self.language!r} and a weight above 0")
        known = {source.name for source in self.corpus.sources}
        if unknown := {name for phase in self.pretrain.phases for name in phase.weights} - known:
            raise ValueError(f"pretrain.phases: no corpus source {sorted(unknown)[0]!r}; there are {sorted(known)}")
        return self
