"""[[evaluate.tasks]]: questions of which it is known which answer is right."""

from typing import Self

from pydantic import Field, model_validator

from anadil.recipe.table import Language, RecipePath, Table

_OWN = ("prompt", "choices", "answer", "max_new_tokens")


class Task(Table):
    """A benchmark: local rows of any form, or a task that lm-evaluation-harness knows."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_]+$", description="names its metrics, task_<name>_accuracy; of letters, digits and _"
    )
    path: RecipePath | None = Field(
        default=None, description="its rows: jsonl, json, csv, tsv or parquet, plain or compressed"
    )
    harness: str = Field(
        default="",
        description="name of a multiple-choice task or group of lm-evaluation-harness; `path` then holds rows in the "
        "form of the task's own data set",
    )
    hub: bool = Field(default=False, description="whether the harness may fetch the data set of `harness` from the hub")
    language: Language | None = Field(
        default=None, description="language of the questions, a code or profile; none stated: the target language"
    )
    prompt: str = Field(default="", description="the question as the model reads it: Jinja over the fields of a row")
    choices: str | list[str] | None = Field(
        default=None,
        description="field with a list of texts to choose from, or a list of Jinja templates of them; none: the "
        "question is closed-book, answered in free words",
    )
    answer: str = Field(
        default="answer",
        description="field of the right answer, or a Jinja template of it: index from 0, letter or text of a choice; "
        "closed-book a text or a list of texts",
    )
    shots: int = Field(
        default=0, ge=0, description="examples before each question; 0 for a harness task: as many as it says itself"
    )
    shots_path: RecipePath | None = Field(
        default=None, description="rows that the examples are the first of, in the form of those in `path`"
    )
    most_items: int = Field(default=0, ge=0, description="questions that are asked, the first of the file; 0 for all")
    max_new_tokens: int = Field(default=32, gt=0, description="longest answer to a closed-book question, tokens")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in filter(None, (self._harness_problem() if self.harness else self._own_problem(), self._shots())):
            raise ValueError(problem)
        return self

    def _own_problem(self) -> str:
        if self.hub:
            return "hub = true belongs to a task of the harness; name it in `harness`"
        if self.path is None:
            return "a task has the `path` of its rows, or in `harness` the name of a task of the harness"
        if not self.prompt:
            return 'a task with rows of its own has a `prompt`, such as "{{question}}\\nAnswer:"'
        if isinstance(self.choices, list) and len(self.choices) < 2:
            return f"`choices` lists {len(self.choices)} of at least two"
        return ""

    def _harness_problem(self) -> str:
        if stated := [key for key in _OWN if key in self.model_fields_set]:
            return f"{stated[0]} belongs to rows of your own; {self.harness!r} says itself how it asks"
        if self.path is None and not self.hub:
            return (
                f"{self.harness!r} would be fetched from the hub; name a local file of its rows in `path`, or allow it "
                "with hub = true"
            )
        if self.path is not None and self.hub:
            return "rows are either those of `path` or fetched with hub = true, not both"
        return ""

    def _shots(self) -> str:
        if self.shots and self.shots_path is None and not self.hub:
            return f"shots = {self.shots} needs shots_path, a file of rows other than those that are asked"
        if self.shots_path is not None and (self.hub or not (self.shots or self.harness)):
            return "shots_path is read where there are shots, of rows in `path`; set shots, or leave it out"
        return ""
