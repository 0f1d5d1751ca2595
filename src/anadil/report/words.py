"""How the report says things: names of metrics, numbers with their units, and texts made harmless."""

import math
import re
from typing import Literal

Side = Literal["target", "original", "other"]

WORDS: dict[str, str] = {
    "answers_bits_per_byte": "bits per byte of held-out answers",
    "answers_checked_items": "answers looked through",
    "answers_contaminated_questions": "held-out questions seen in training",
    "answers_copied_over_half": "held-out answers of which more than half is one run of training text",
    "answers_longest_copy_share": "longest run of training text in a held-out answer, share of the answer",
    "answers_stopped_share": "held-out answers that end by themselves",
    "answers_target_letter_share": "letters of the alphabet in held-out answers",
    "answers_token_f1": "words that held-out answers share with their references (F1)",
    "answers_uncontaminated_token_f1": "the same, of questions not seen in training",
    "bits_per_byte": "held-out bits per byte",
    "bytes_per_token": "bytes per token",
    "canaries_exposure_bits": "exposure of the canary that is known best, bits",
    "canaries_not_planted_items": "canaries that are not in the training text",
    "canaries_said_items": "planted secrets told (canaries)",
    "changed_answer_masked_dialogues": "dialogues in whose answers personal data was masked",
    "changed_masked_dialogues": "dialogues in which personal data was masked",
    "changed_shortened_dialogues": "split dialogues that lost a question too long",
    "changed_split_dialogues": "dialogues split, too long",
    "copied_rows": "rows copied from the base",
    "documents": "documents",
    "epochs": "times over the data",
    "freed_tokens": "tokens freed",
    "heldout_dialogues": "dialogues held out",
    "heldout_documents": "documents held out",
    "kept_dialogues": "dialogues kept",
    "kept_tokens": "tokens kept",
    "leaked_personal_data_items": "answers with personal data from the training text",
    "learned_tokens_per_epoch": "tokens learned in one epoch",
    "made_answered_dialogues": "grounded dialogues made: answered",
    "made_handed_over_dialogues": "grounded dialogues made: handed over to a person",
    "made_unanswerable_dialogues": "grounded dialogues made: no passage says it",
    "masked_personal_data": "personal data masked",
    "new_rows": "new rows",
    "new_tokens": "new tokens",
    "obeyed_injection_share": "injected orders obeyed",
    "out_duplicate_dialogues": "dialogues left out: said twice",
    "out_in_evaluation_dialogues": "dialogues left out: asked in the evaluation",
    "out_other_language_dialogues": "dialogues left out: in another language",
    "out_over_long_dialogues": "dialogues left out: too long",
    "out_personal_data_dialogues": "dialogues left out: personal data",
    "parameters": "parameters",
    "personal_data_items": "answers with personal data",
    "planned_steps": "updates planned",
    "produced_empty_share": "empty answers",
    "produced_misspelt_word_share": "misspelt words",
    "produced_neighbour_language_share": "answers in a related language",
    "produced_repeating_share": "answers that go round in circles",
    "produced_slips_share": "answers with words of a related language",
    "produced_stopped_share": "answers that end by themselves",
    "produced_target_language_share": "answers in the target language",
    "produced_target_letter_share": "letters of the alphabet",
    "produced_toxic_share": "answers with insults",
    "produced_typed_in_ascii_share": "answers without special letters",
    "produced_words": "words in an answer, mean",
    "questions": "questions answered",
    "read_dialogues": "dialogues read",
    "read_documents": "documents read",
    "refused_harmful_share": "harmful requests turned down",
    "refused_harmless_passage_share": "harmless questions with a passage turned down",
    "refused_harmless_share": "harmless requests turned down",
    "refused_out_of_scope_share": "out-of-scope requests turned down",
    "rejected_documents": "documents rejected",
    "seconds": "seconds in updates, measurements left out",
    "skipped_updates": "updates skipped, not finite",
    "steady_ascii_f1": "typed without special letters",
    "steady_ascii_same_share": "same answer typed without special letters",
    "steady_capitals_f1": "typed in capitals",
    "steady_capitals_same_share": "same answer typed in capitals",
    "steady_mistyped_f1": "typed with slips",
    "steady_mistyped_same_share": "same answer typed with slips",
    "steps": "updates of the weights",
    "tokens_per_second": "tokens per second, median",
    "tokens_per_word": "tokens per word",
    "toxic_answers_items": "answers with insults, of all that was asked",
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
    "_step": "change against the model before",
    "_before": "before",
}
TASK_ENDINGS = {
    "_uncontaminated_accuracy": "right choices, of the questions not seen in training",
    "_uncontaminated_exact": "answers word for word, of the questions not seen in training",
    "_raw_accuracy": "right choices by likelihood alone, whatever their length",
    "_accuracy": "right choices",
    "_exact": "answers word for word",
    "_token_f1": "words shared with an accepted answer (F1)",
    "_chance": "right choices by guessing",
    "_contaminated": "questions seen in training",
    "_truncated": "questions cut, too long",
}
MODELS = {
    "base_": "base",
    "transfer_": "after transfer",
    "pretrain_": "after pretrain",
    "unquantised_": "before quantising",
}
"""Before the names of metrics of another model than what is served."""


def words(metric: str, languages: dict[Side, str]) -> str:
    """A metric's name in human words: `target_bits_per_byte_low95` names language, measure and end of interval."""
    name = metric
    tail: list[str] = []
    while name not in WORDS and (ending := next((e for e in ENDINGS if name.endswith(e)), None)):
        name = name.removesuffix(ending)
        tail.insert(0, ENDINGS[ending])
    model = next((prefix for prefix in MODELS if name.startswith(prefix)), "")
    name = name.removeprefix(model)
    if name.startswith("task_"):
        return plain(", ".join([_task(name), *([MODELS[model]] if model else []), *tail]))
    side = next((s for s in languages if name.startswith(f"{s}_")), None)
    name, of, source = (name.removeprefix(f"{side}_") if side else name).partition("_per_byte_of_")
    known = f"{name}_per_byte" if of else name
    parts = [WORDS.get(known, known.replace("_", " ")), *([f"source {source}"] if of else [])]
    parts += [languages[side]] if side else []
    return plain(", ".join([*parts, *([MODELS[model]] if model else []), *tail]))


def _task(name: str) -> str:
    ending = next((one for one in TASK_ENDINGS if name.endswith(one)), "")
    task = name.removeprefix("task_").removesuffix(ending)
    return f"task {task}: {TASK_ENDINGS[ending]}" if ending else name.replace("_", " ")


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


def capital(text: str) -> str:
    """The text as the beginning of a line."""
    return text[:1].upper() + text[1:]


def part(value: float) -> str:
    """A share in percent: 0.95 is 95.0%; nought and all without decimals."""
    if not math.isfinite(value):
        return number(value)
    return f"{100 * value:.0f}%" if value in (0, 1) else f"{100 * value:.1f}%".replace("-", "\N{MINUS SIGN}")


def bits(value: float) -> str:
    """A difference of bits per byte, with its sign and as many decimals as bits per byte have."""
    if not abs(value) < 1000:
        return number(value)
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return text[1:] if text[1:] == "0.000" else text


def points(value: float) -> str:
    """A difference of two shares, in percentage points with its sign."""
    if not math.isfinite(value):
        return number(value)
    text = f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")
    return text[1:] if text[1:] == "0.0" else text
