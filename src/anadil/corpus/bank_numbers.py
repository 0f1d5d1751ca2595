"""Numbers of bank accounts and cards, whose own digits say whether they are right; and where long numbers begin."""

import re
from collections.abc import Iterator
from itertools import pairwise

BLANK = r"[ \u00a0\u2009\u202f]"
DASH = r"[-\u2010-\u2015]"
LONG_RUN = re.compile(r"[0-9](?:[ \u00a0\u2009\u202f().·/\u2010-\u2015№-]{0,3}[0-9]){6,}")
DIGITS = re.compile("[0-9]+")
_IBAN = re.compile(rf"(?<![^\W_])[A-Za-z]{{2}}\d\d(?:(?:{BLANK}|{DASH})?[A-Za-z0-9]){{11,30}}")
_CARD = re.compile(rf"(?<![\w.+-])\d(?:(?:{BLANK}|{DASH}|[./]){{0,3}}\d){{12,24}}")
_SCHEMES = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|220[0-4]\d{12}|9792\d{12}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15})\Z"
)
"""Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club, MIR, Troy, Maestro."""
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an account number, by country (the IBAN registry of SWIFT)."""


def groups(text: str) -> Iterator[tuple[int, bool]]:
    """Where groups of digits begin in long runs, with + and ( before them; and whether each is its run's first."""
    for run in LONG_RUN.finditer(text):
        for group in DIGITS.finditer(text, run.start(), run.end()):
            begin = group.start()
            while begin and text[begin - 1] in "+(":
                begin -= 1
            yield begin, group.start() == run.start()


def ibans(text: str) -> Iterator[tuple[int, int, bool]]:
    """What has form and length of an account number, and whether its checksum is right (ISO 7064, modulo 97)."""
    match = _IBAN.search(text)
    while match:
        end = match.start() + 4
        length = _IBAN_LENGTHS.get(match.group()[:2].upper(), 0)
        places = [place for place in range(*match.span()) if text[place].isalnum()][:length]
        if length and len(places) == length and not text[places[-1] + 1 : places[-1] + 2].isalnum():
            number, end = "".join(text[place] for place in places).upper(), places[-1] + 1
            yield match.start(), end, int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1
        match = _IBAN.search(text, end)


def cards(text: str) -> Iterator[tuple[int, int]]:
    """In each run of digits the longest that can be a card: a time may stand before it, its date behind."""
    done = 0
    for begin, _ in groups(text):
        begin += text[begin] == "("
        match = _CARD.match(text, begin) if begin >= done else None
        places = [place for place in range(*match.span()) if text[place].isdigit()] if match else []
        for length in range(min(19, len(places)), 12, -1):
            digits, end = "".join(text[place] for place in places[:length]), places[length - 1] + 1
            if (
                not text[end : end + 1].isalnum()
                and _SCHEMES.match(digits)
                and luhn(digits)
                and not _counts(text[begin:end])
            ):
                yield begin, end
                done = end
                break


def _counts(candidate: str) -> bool:
    """Whether it is 4 5 6 7 8 9 10 11 and so on, as footnotes are listed."""
    numbers = [int(group) for group in DIGITS.findall(candidate)]
    return len(numbers) > 4 and all(after - before == 1 for before, after in pairwise(numbers))


def luhn(digits: str) -> bool:
    """The checksum of card numbers (ISO/IEC 7812)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
