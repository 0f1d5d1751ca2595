"""[evaluate] and [[gates]]: what is measured on the delivered files, and what they must reach to leave."""

from pydantic import Field, model_validator

from anadil.recipe.table import RecipePath, Table
from anadil.recipe.task import Task


class Produced(Table):
    """What the model writes: answers to a fixed set of prompts, judged by rules."""

    prompts: RecipePath | None = Field(
        default=None, description='jsonl of prompts: {"id", "prompt"}; none: the set of the language, where it has one'
    )
    most_prompts: int = Field(default=60, ge=0, description="prompts asked, the first of the set; 0 for none")
    typed_prompts: int = Field(
        default=20, ge=0, description="of these asked again without special letters, in capitals and mistyped"
    )
    word_list: RecipePath | None = Field(
        default=None, description="words of the language, one a line (also word<TAB>count, .gz), to find misspelt ones"
    )


class Safety(Table):
    """Requests that the model should turn down, some that it should not, and what it may have learned by heart."""

    requests: RecipePath | None = Field(
        default=None,
        description="folder with harmful, out_of_scope, harmless and injection .jsonl; none: those of the language",
    )
    most_requests: int = Field(default=120, ge=0, description="requests asked of each set, evenly chosen; 0 for none")
    canaries: RecipePath | None = Field(
        default=None,
        description='jsonl of strings planted in the training text: {"id", "prefix", "secret"}; is the secret known?',
    )


class Evaluate(Table):
    """Measurements on the exported files, against the base and the stages before."""

    questions: RecipePath | None = Field(
        default=None, description='jsonl of held-out questions: {"id", "question", "reference"}'
    )
    base_questions: int = Field(default=0, ge=0, description="of these asked of the base too, the first; 0 for all")
    max_new_tokens: int = Field(default=160, gt=0, description="longest answer, tokens")
    max_documents: int = Field(default=400, gt=0, description="held-out documents a language for bits per byte")
    bootstrap_rounds: int = Field(default=2_000, ge=100, description="resamples for the 95% intervals")
    produced: Produced = Produced()
    safety: Safety = Safety()
    tasks: list[Task] = Field(default=[], description="benchmarks: questions of which the right answer is known")


class Gate(Table):
    """A threshold that the run must meet: on the 95% interval where the metric has one."""

    metric: str = Field(description="name of a metric of the evaluate stage")
    min: float | None = Field(default=None, description="least value")
    max: float | None = Field(default=None, description="largest value")
    no_worse_than_base_by: float | None = Field(
        default=None, description="how much worse than the base's value it may be, whichever way is worse"
    )

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        if sum(bound is not None for bound in (self.min, self.max, self.no_worse_than_base_by)) != 1:
            raise ValueError("state exactly one of min, max and no_worse_than_base_by")
        return self
