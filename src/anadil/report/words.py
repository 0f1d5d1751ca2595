"""How the report says things: names of metrics, numbers with their units, and texts made harmless."""

import math
import re
from typing import Literal

Side = Literal["target", "original", "other"]

WORDS: dict[str, str] = {
    "answers_bits_per_byte": "bits per byte of held-out answers",
    "bits_per_byte": "held-out bits per byte",
    "changed_shortened_dialogues": "split dialogues that lost a question too long",
    "changed_answer_masked_dialogues": "dialogues in whose answers personal data was masked",
    "changed_masked_dialogues": "dialogues in which personal data was masked",
    "changed_split_dialogues": "dialogues split, too long",
    "bytes_per_token": "bytes per token",
    "copied_rows": "rows copied from the base",
    "documents": "documents",
    "epochs": "times over the data",
    "freed_tokens": "tokens freed",
    "heldout_dialogues": "dialogues held out",
    "heldout_documents": "documents held out",
    "kept_dialogues": "dialogues kept",
    "kept_tokens": "tokens kept",
    "learned_tokens_per_epoch": "tokens learned in one epoch",
    "made_answered_dialogues": "grounded dialogues made: answered",
    "made_handed_over_dialogues": "grounded dialogues made: handed over to a person",
    "made_unanswerable_dialogues": "grounded dialogues made: no passage says it",
    "masked_personal_data": "personal data masked",
    "new_rows": "new rows",
    "new_tokens": "new tokens",
    "out_duplicate_dialogues": "dialogues left out: said twice",
    "out_in_evaluation_dialogues": "dialogues left out: asked in the evaluation",
    "out_other_language_dialogues": "dialogues left out: in another language",
    "out_over_long_dialogues": "dialogues left out: too long",
    "out_personal_data_dialogues": "dialogues left out: personal data",
    "parameters": "parameters",
    "planned_steps": "updates planned",
    "questions": "questions answered",
    "read_dialogues": "dialogues read",
    "read_documents": "documents read",
    "rejected_documents": "documents rejected",
    "seconds": "seconds in updates, measurements left out",
    "skipped_updates": "updates skipped, not finite",
    "steps": "updates of the weights",
    "tokens_per_second": "tokens per second, median",
    "tokens_per_word": "tokens per word",
    "train_loss_nats": "training loss, nats a token, mean of the last 10 updates",
    "train_words": "words for training",
    "trained_tokens": "tokens trained on",
    "unreadable_lines": "lines that could not be read",
    "vocabulary_tokens": "vocabulary, tokens",
}
"""Names of measures in human words; a name that is not here is shown with blanks for its underscores."""

ENDINGS = {
    "_low95": "95% interval from",
    "_high95": "95% interval to",
    "_items": "items",
    "_change": "change against the base",
    "_before": "before",
}


def words(metric: str, languages: dict[Side, str]) -> str:
    """A metric's name in human words: `target_bits_per_byte_low95` names language, measure and end of interval."""
    name = metric
    tail: list[str] = []
    while ending := next((e for e in ENDINGS if name.endswith(e)), None):
        name = name.removesuffix(ending)
        tail.insert(0, ENDINGS[ending])
    base, name = name.startswith("base_"), name.removeprefix("base_")
    side = next((s for s in languages if name.startswith(f"{s}_")), None)
    name = name.removeprefix(f"{side}_") if side else name
    parts = [WORDS.get(name, name.replace("_", " ")), *([languages[side]] if side else []), *(["base"] if base else [])]
    return plain(", ".join([*parts, *tail]))


_PLANE_ENDS = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")


def plain(text: object) -> str:
    """Text without what could steer a terminal, turn the reading direction or make HTML invalid."""
    return _CONTROL.sub("\ufffd", str(text).replace("\r\n", "\n"))


def number(value: float | None) -> str:
    """A figure for reading: whole numbers in full, others with three decimals, or two digits."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if value == int(value) or abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) >= 100:
        text = f"{value:.1f}"
    else:
        text = f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """A difference, with its sign."""
    return number(value) if value <= 0 or not math.isfinite(value) else f"+{number(value)}"


def percent(part: float, whole: float) -> str:
    """A relative difference, with its sign."""
    return f"{100 * part / whole:+.1f}%".replace("-", "\N{MINUS SIGN}") if whole else "–"


def ratio(value: float) -> str:
    """Tokens per word and their like, in columns: always three decimals, so that 5.000 stands under 4.137."""
    return f"{value:.3f}" if 0 <= value < 1000 else number(value)


def share(value: float) -> str:
    """A relative difference given as such (0.015) as percent, with its sign."""
    text = percent(value, 1.0)
    return text[1:] if text[1:] == "0.0%" else text


def duration(seconds: float) -> str:
    """Seconds as the two largest units that fit."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Bytes in decimal units, as download sizes are given."""
    amount, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{count:,} bytes" if units[0] == "bytes" else f"{amount:.3g} {units[0]}"
