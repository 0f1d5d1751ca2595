"""The recipe: one TOML file from which everything follows. One file here per group of tables."""

from anadil.recipe.base import Base, Shape
from anadil.recipe.corpus import Corpus, EvaluationSet, Mix, NearDuplicates, Source
from anadil.recipe.delivery import Export, Run, Serve
from anadil.recipe.evaluation import Evaluate, Gate, Produced, Safety
from anadil.recipe.load import load, override
from anadil.recipe.proof import Proof
from anadil.recipe.recipe import STAGES, Recipe
from anadil.recipe.sft import Grounded, Sft
from anadil.recipe.table import flatten
from anadil.recipe.task import Task
from anadil.recipe.tokenizer import Candidate, Keep, MeasureOn, Tokenizer
from anadil.recipe.training import Optimisation, Pretrain, Settle, Transfer

__all__ = [
    "STAGES",
    "Base",
    "Candidate",
    "Corpus",
    "Evaluate",
    "EvaluationSet",
    "Export",
    "Gate",
    "Grounded",
    "Keep",
    "MeasureOn",
    "Mix",
    "NearDuplicates",
    "Optimisation",
    "Pretrain",
    "Produced",
    "Proof",
    "Recipe",
    "Run",
    "Safety",
    "Serve",
    "Settle",
    "Sft",
    "Shape",
    "Source",
    "Task",
    "Tokenizer",
    "Transfer",
    "flatten",
    "load",
    "override",
]
