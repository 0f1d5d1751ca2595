"""What `anadil prove` compares on the user's own base and text, and with how much of it."""

from pydantic import Field

from anadil.recipe.base import Base
from anadil.recipe.corpus import Corpus
from anadil.recipe.table import Language, RecipePath, Table
from anadil.recipe.tokenizer import Tokenizer
from anadil.recipe.training import Optimisation, Transfer


class Proof(Table):
    """A short continued pre-training of the base as it is against the same base on each candidate vocabulary."""

    base: Base
    language: Language = Field(description="the target language")
    corpus: Corpus | None = Field(default=None, description="texts to clean first")
    corpus_folder: RecipePath | None = Field(default=None, description="or a folder that the corpus stage wrote")
    tokenizer: Tokenizer = Field(description="the candidates; `keep` is always among them, to be held against")
    transfer: Transfer = Transfer()
    training: Optimisation = Field(description="of every row; the learning rate is warmed up, then constant")
    megabytes: list[float] = Field(
        default=[0.15, 1.5, 3.0], min_length=1, description="target text after which rows are measured, 10^6 bytes"
    )
    replay: float = Field(default=0.2, ge=0, description="bytes of other languages per byte of the target's")
    seeds: int = Field(default=1, ge=1, le=20, description="rows per candidate, each with its own order of the text")
    documents: int = Field(default=200, ge=10, description="held-out documents a text that are measured on")
