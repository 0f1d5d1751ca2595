"""Random strings on which tokenizers are known to lose something, the same for the same seed."""

import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence

DIGITS = 100_000
"""Length of the one long string: of digits, which some pre-tokenizers take whole."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzəğıöüşçABCDEFGHIJKLMNOPQRSTUVWXYZƏĞİÖÜŞÇéñåßøčžőạệ"
_MARKS = [chr(code) for code in (*range(0x300, 0x370), 0x5B0, 0x5BC, 0x64B, 0x651, 0x94D, 0xE31, 0x20D0, 0xFE20)]
_SCRIPTS = [
    range(0x61, 0x7B), range(0xC0, 0x250), range(0x391, 0x3CA), range(0x410, 0x450), range(0x531, 0x557),
    range(0x5D0, 0x5EB), range(0x621, 0x64B), range(0x905, 0x93A), range(0xE01, 0xE2F), range(0x10D0, 0x10F1),
    range(0x1200, 0x1249), range(0x3041, 0x3097), range(0x30A1, 0x30FB), range(0x4E00, 0x9FA6), range(0xAC00, 0xD7A4),
]  # fmt: skip
_RTL = [*map(chr, range(0x5D0, 0x5EB)), *map(chr, range(0x621, 0x64B)), *"\u200e\u200f\u202a\u202b\u202c\u202e\u2067"]
_EMOJI = [chr(code) for code in (*range(0x1F600, 0x1F650), *range(0x1F466, 0x1F470), 0x2764, 0x1F3F3, 0x1F308)]
_JOINTS = ["\u200d", "\ufe0f", "\ufe0e", "\u20e3", "\U0001f3fb", "\U0001f3ff", "", " ", "\U000e0067", "\U000e007f"]
_FLAGS = [chr(code) for code in range(0x1F1E6, 0x1F200)]
_SPACES = [
    *" \t\n\r\v\f\x1c\x1d\x85\xa0\u1680\u2000\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u3000\ufeff",
    "\r\n",
    "  ",
]
_CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200C, 0x2060, 0xFEFF, 0xFFFD)]
_DIGITS = "01234567890123456789٠١٢٣٤٥۶۷۸۹०१२३०۰½²Ⅷ１２３"
_CODE = [
    "def", "return", "self", "if", "else:", "for", "import", "print(x)", "==", "!=", "<=", "->", "=>", "+=", "**", "//",
    "&&", "||", ";", ":", ",", ".", "(", ")", "[", "]", "{", "}", '"', "'", "'''", "\\n", "0x1F", "3.14e-9", "i_2",
    "camelCase", "CONST_VALUE", "\\", "/*", "*/", "<!--", "-->", "<div>", "</p>", "&nbsp;", "$x", "@y", "#z", "~", "`",
    "|", "^", "%", "SELECT * FROM", "don't", "WE'LL",
]  # fmt: skip
_INDENTS = ["\n", "\n    ", "\n\t\t", "\n        ", " ", "", "  "]

Maker = Callable[[random.Random], str]


def random_strings(count: int, seed: int, names: Sequence[str] = ()) -> Iterator[str]:
    """`count` strings of all kinds in turn, the first of `DIGITS` digits; `names` are embedded in some of them.

    None has a surrogate, which no UTF-8 text can hold.
    """
    chance = random.Random(seed)
    makers = [*_MAKERS, _with_names(names)] if names else list(_MAKERS)
    for number in range(count):
        yield makers[(number - 1) % len(makers)](chance) if number else "".join(chance.choices("0123456789", k=DIGITS))


def _pick(pool: Sequence[str], most: int = 30) -> Maker:
    return lambda chance: "".join(chance.choices(pool, k=chance.randint(1, most)))


def _combining(chance: random.Random) -> str:
    letters = chance.choices(_LETTERS, k=chance.randint(1, 12))
    return "".join(letter + "".join(chance.choices(_MARKS, k=chance.randint(0, 4))) for letter in letters)


def _emoji(chance: random.Random) -> str:
    symbols = chance.choices([*_EMOJI, *_FLAGS, "1", "#"], k=chance.randint(1, 12))
    return "".join(symbol + chance.choice(_JOINTS) for symbol in symbols)


def _mixed_scripts(chance: random.Random) -> str:
    words = (
        "".join(map(chr, chance.choices(script, k=chance.randint(1, 6)))) for script in chance.choices(_SCRIPTS, k=6)
    )
    return chance.choice([" ", "", "-", "'"]).join(words)


def _code(chance: random.Random) -> str:
    return "".join(chance.choice(_CODE) + chance.choice(_INDENTS) for _ in range(chance.randint(1, 15)))


def _normal_forms(chance: random.Random) -> str:
    text = _combining(chance) + "ﬁ한글Åé"
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return " ".join(chance.sample(forms, 2))


def _any_characters(*blocks: range) -> Maker:
    def make(chance: random.Random) -> str:
        return "".join(chr(chance.choice(chance.choice(blocks))) for _ in range(chance.randint(1, 20)))

    return make


def _mojibake(chance: random.Random) -> str:
    """UTF-8 read as another encoding, once or twice."""
    text = _mixed_scripts(chance)
    for _ in range(chance.randint(1, 2)):
        text = text.encode().decode(chance.choice(["latin-1", "cp1251", "cp437"]), errors="replace")
    return text


def _with_names(names: Sequence[str]) -> Maker:
    def make(chance: random.Random) -> str:
        name = chance.choice(names)
        broken = name[: chance.randint(0, len(name))]
        parts = [name, broken, name + name, chance.choice(_SPACES), chance.choice(_LETTERS), chance.choice(_CODE)]
        return "".join(chance.choices(parts, k=chance.randint(1, 8)))

    return make


_MAKERS: list[Maker] = [
    _combining, _emoji, _mixed_scripts, _pick(_RTL), _pick(_DIGITS + ".,- "), _code, _pick(_SPACES, 60),
    _pick([*_SPACES, *_LETTERS]), _normal_forms, _pick(_CONTROLS), _mojibake,
    _any_characters(range(0x10000, 0x11000), range(0x1D400, 0x1D800), range(0x20000, 0x2A6E0), range(0xE0100, 0xE01F0)),
    _any_characters(range(0xE000, 0xF900), range(0xF0000, 0xF0100), range(0x10FF00, 0x10FFFE)),
    _any_characters(range(0xD800), range(0xE000, 0x110000)),
]  # fmt: skip
