"""corpus: raw files -> clean text per source and split."""

from pathlib import Path

from anadil.context import Context
from anadil.corpus.account import KEPT, Account
from anadil.corpus.build import build
from anadil.recipe import Recipe, Source


def run(recipe: Recipe, inputs: dict[str, Path], out: Path, context: Context) -> dict[str, float]:
    """Build the corpus; metrics are documents read and kept, and words by side: target, original, other.

    `original` is there where the base has another language than the target, `other` where there are yet others.
    """
    accounts = build(
        recipe.corpus,
        recipe.language,
        out,
        context.progress,
        original=recipe.base.language if recipe.base.language != recipe.language else "",
        workers=context.threads,
        stop_requested=context.stop_requested,
    )
    sides: dict[str, list[Account]] = {"target": []}
    if recipe.base.language != recipe.language:
        sides["original"] = []
    for source in recipe.corpus.sources:
        sides.setdefault(_side(source, recipe), []).append(accounts[source.name])
    metrics: dict[str, float] = {
        "read_documents": sum(account.read.documents for account in accounts.values()),
        "rejected_documents": sum(_documents(account, rejected=True) for account in accounts.values()),
        "masked_personal_data": sum(sum(account.found.values()) for account in accounts.values()),
    }
    for side, some in sides.items():
        metrics[f"{side}_train_words"] = sum(account.by_verdict["train"].words for account in some)
        metrics[f"{side}_heldout_documents"] = sum(account.by_verdict["heldout"].documents for account in some)
    return metrics | {"unreadable_lines": sum(account.unreadable for account in accounts.values())}


def _side(source: Source, recipe: Recipe) -> str:
    if source.language == recipe.language:
        return "target"
    return "original" if source.language == recipe.base.language else "other"


def _documents(account: Account, *, rejected: bool) -> int:
    return sum(count.documents for verdict, count in account.by_verdict.items() if (verdict not in KEPT) == rejected)
