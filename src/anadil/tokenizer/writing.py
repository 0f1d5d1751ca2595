"""The target's text as people also write it, and texts of digits, emoji and code: what a vocabulary must stand."""

import random
import re
from collections.abc import Iterator
from itertools import chain

from anadil.languages import LanguageProfile
from anadil.tokenizer.measure import Sample

AS_WRITTEN, CODE = "as_written", "code"
NUMBERS = 400
"""Generated documents, each with a number of each kind."""
_NUMBER = re.compile(r"\S*\d\S*")
EMOJI = (
    "😀 😂 😊 😍 😭 🙏 👍 👎 👌 💪 🔥 🎉 ❤️ 💔 ✅ ❌ ⚠️ ☎️ ✉️ 📱 📞 💬 📦 💳 💰 📈 📉 🛒 🚚 🔒 🔑 ⏰ 📅 🌐 ☀️ 🌧️ "
    "👍🏻 👍🏽 👍🏿 🤝🏼 🙏🏾 👩🏽 🧑🏻‍💻 👨‍👩‍👧‍👦 👩‍❤️‍👨 👩‍🔬 🧑‍🚒 🏳️‍🌈 🏴‍☠️ 👁️‍🗨️ 🇦🇿 🇹🇷 🇰🇿 🇫🇮 🇪🇪 🇬🇧 🇺🇳 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣ #️⃣ 😶‍🌫️ 🫱🏻‍🫲🏿"
)
"""Single signs, variation selectors, skin tones, joined sequences, flags, keycaps."""
SNIPPETS = (
    'def total(rows: list[dict[str, float]]) -> float:\n    """Sum of all amounts."""\n'
    '    return sum(row["amount"] for row in rows if row.get("paid", False))\n',
    "for (let i = 0; i < rows.length; i++) {\n  if (rows[i] != null) {\n    console.log(`${i}: ${rows[i]}`);\n  }\n}\n",
    "SELECT name, COUNT(*) AS n FROM orders WHERE created_at >= '2024-01-01' GROUP BY name ORDER BY n DESC LIMIT 10;\n",
    '{"id": 17, "tags": ["new", "paid"], "price": {"amount": 12.5, "currency": "EUR"}, "sent": null}\n',
    '#include <stdio.h>\n\nint main(int argc, char **argv) {\n\tprintf("%d\\n", argc);\n\treturn 0;\n}\n',
    '<div class="card"><a href="/orders?page=2">Next</a></div>\n\n.card > a:hover { color: #1a2b3c; }\n',
)
"""Measured where neither corpus nor recipe has code; written for this purpose."""


def writings(profile: LanguageProfile, target: Sample, *, with_code: bool) -> list[Sample]:
    """The target's text folded to ASCII and in capitals, its numbers with generated ones, emoji, and `SNIPPETS`."""

    def folded() -> Iterator[str]:
        return (profile.fold_ascii(text) for text in target.texts())

    def upper() -> Iterator[str]:
        return (profile.upper(text) for text in target.texts())

    def digits() -> Iterator[str]:
        found = (" ".join(_NUMBER.findall(text)) for text in target.texts())
        return chain(found, numbers(profile))

    found = [Sample("ascii", target.language, folded), Sample("uppercase", target.language, upper)]
    found += [Sample("digits", target.language, digits), Sample("emoji", "", lambda: EMOJI.split(" "))]
    return found + ([Sample(CODE, CODE, lambda: SNIPPETS)] if with_code else [])


def numbers(profile: LanguageProfile, seed: int = 1) -> Iterator[str]:
    """Phone numbers, amounts, dates and plain numbers, made by rule; the same for the same profile and seed."""
    chance = random.Random(seed)
    for _ in range(NUMBERS):
        day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(1950, 2040)
        dates = [f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}", f"{day}/{month}/{year}"]
        forms = ["+" + " ".join(_digits(chance, count) for count in (3, 2, 3, 2, 2))]
        forms += ["0" + "-".join(_digits(chance, count) for count in (2, 3, 2, 2)), chance.choice(dates)]
        forms += [_amount(chance, chance.choice(profile.digit_separators or [" "]))]
        yield "\n".join([*forms, str(chance.randint(0, 10 ** chance.randint(1, 9)))])


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choices("0123456789", k=count))


def _amount(chance: random.Random, separator: str) -> str:
    whole = f"{chance.randint(0, 10 ** chance.randint(2, 8)):,}".replace(",", separator)
    return f"{whole},{_digits(chance, 2)}" if separator == "." else f"{whole}.{_digits(chance, 2)}"
