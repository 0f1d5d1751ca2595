"""[sft]: dialogues, and how the model learns to answer from them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anadil.recipe.table import PathOrUrl, RecipePath, Table
from anadil.recipe.training import Optimisation


class Grounded(Table):
    """Rows made from what the team has: questions with the passages that answer them, or that do not."""

    faq: list[RecipePath] = Field(
        default=[], description="files of questions and answers (jsonl, json, csv, tsv, parquet), each a passage"
    )
    tables: list[RecipePath] = Field(
        default=[], description="tables (csv, tsv) such as tariffs: the first column is the name, each row a passage"
    )
    questions_a_row: int = Field(default=2, gt=0, description="questions made of each row of a table")
    invented: int = Field(
        default=4,
        ge=0,
        description="times each row of a table is used again with invented numbers: a model learns to read a passage "
        "only if it cannot know it by heart",
    )
    passages: int = Field(default=3, gt=0, le=9, description="most passages before a question")
    unanswerable_share: float = Field(
        default=0.2, ge=0, lt=1, description="share of rows whose passages do not answer; the model says so"
    )
    handover_share: float = Field(
        default=0.05, ge=0, lt=1, description="share of rows that ask for a person; the model hands over"
    )


class Sft(Optimisation):
    """Fine-tuning on dialogues; only the assistant's tokens are learned."""

    data: list[PathOrUrl] = Field(
        min_length=1,
        description="files of dialogues (jsonl, json, csv, tsv, parquet), or hf://datasets/owner/name@commit/files",
    )
    prompt_field: str = Field(default="prompt", description="field of the question in rows that have no `messages`")
    answer_field: str = Field(default="answer", description="field of the answer in rows that have no `messages`")
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="at a row that is no conversation: stop and name it, or skip it and count it"
    )
    personal_data: Literal["mask", "drop", "keep"] = Field(
        default="mask", description="what is done with dialogues that hold personal data (see corpus.own_contacts)"
    )
    other_languages: Literal["keep", "drop"] = Field(
        default="keep", description="what is done with dialogues answered in another language; they are counted"
    )
    typed_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of customers' turns that are written as many type: without special letters or capitals",
    )
    grounded: Grounded = Grounded()
    template: Literal["llama3", "base"] | RecipePath = Field(
        default="llama3",
        description='chat template: "llama3" (its format in our own text), "base" for the base\'s own, or a Jinja file',
    )
    over_long: Literal["error", "split", "drop"] = Field(
        default="error",
        description="dialogues longer than sequence_length: stop and count them, split between turns, or drop",
    )
    heldout_share: float = Field(
        default=0.05, ge=0, lt=1, description="share of dialogues held out, by hash of the first question; 0: none"
    )
    replay_share: float = Field(
        default=0.0, ge=0, lt=1, description="share of the sequences that are running text of the corpus, as before"
    )
    method: Literal["lora", "full"] = Field(default="lora", description="train LoRA matrices, or all weights")
    rank: int = Field(default=16, gt=0, description="rank of the LoRA matrices")
    alpha: float = Field(default=32.0, gt=0, description="scale of the LoRA update is alpha / rank")
    rslora: bool = Field(default=False, description="scale by alpha / sqrt(rank) instead")
    dora: bool = Field(default=False, description="learn the length of each row of a matrix apart from its direction")
    train_embeddings: bool = Field(
        default=False, description="with LoRA, train the embeddings too, whole; tied ones stay tied"
    )
    learning_rate: float = Field(default=2e-4, gt=0, description="peak learning rate")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW weight decay")
    epochs: float = Field(default=3.0, gt=0, description="times over the dialogues")
    global_batch_tokens: int = Field(default=16_384, ge=16, description="tokens in one update of the weights")
    keep: Literal["last", "best"] = Field(
        default="best", description="weights that leave the stage: the last, or the best on the held-out dialogues"
    )
    eval_every: int = Field(default=50, gt=0, description="steps between measurements on the held-out dialogues")
    patience: int = Field(
        default=0, ge=0, description="measurements without a better one, after which training stops; 0: never"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        extras = {"rslora": self.rslora, "dora": self.dora, "train_embeddings": self.train_embeddings}
        asked = [name for name, on in extras.items() if on]
        if self.method == "full" and asked:
            raise ValueError(f'method = "full" trains all weights; {", ".join(asked)} belongs to method = "lora"')
        if self.grounded.unanswerable_share + self.grounded.handover_share >= 1:
            raise ValueError("grounded: unanswerable_share and handover_share leave no share for answers")
        return self
