"""[tokenizer]: which vocabulary the model will have."""

from typing import Literal

from pydantic import Field

from anadil.recipe.table import Language, Table


class Tokenizer(Table):
    """How the base's vocabulary becomes one that fits the language."""

    mode: Literal["keep", "extend", "replace", "inplace"] = Field(
        default="inplace",
        description="keep: as it is; extend: add tokens; replace: a new one; inplace: free unused ids and refill them",
    )
    new_tokens: int | None = Field(
        default=None, ge=0, description="tokens to add (extend) or refill (inplace); default: all that can be freed"
    )
    vocab_size: int = Field(default=32_000, ge=512, description="entries of the new vocabulary (replace)")
    keep: list[Language] = Field(
        default=["en"], description="languages whose tokens stay, counted on the corpus sources of that language"
    )
    keep_min_count: int = Field(default=2, ge=1, description="a token stays if the kept languages use it so often")
    target_min_count: int = Field(default=5, ge=1, description="an old token stays if the target uses it so often")
    min_pair_count: int = Field(default=2, ge=1, description="a new token must occur so often in the target text")
