"""Personal data in text: found by form and checked by what each kind must satisfy, so that order numbers stay."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import phonenumbers

from anadil.languages import LanguageProfile

KINDS = ("email", "iban", "card", "ip", "identity", "phone")
"""In the order in which they are looked for; what one has taken no other takes."""
NEAR = 60
"""Characters before or behind, within which a word tells what a number is."""
_BLANK = r"[ \u00a0\u2009\u202f]"
_DASH = r"[-\u2010-\u2015]"
_EMAIL = re.compile(
    r"(?<![\w.+%'-])[^\W_][\w.+%'-]*@(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?!(?:png|jpe?g|gif|svg|webp)(?![^\W_]))(?:xn--\w+|[^\W\d_]{2,})(?![^\W_])"
)
_IBAN = re.compile(rf"(?<![^\W_])[A-Za-z]{{2}}\d\d(?:(?:{_BLANK}|{_DASH})?[A-Za-z0-9]){{11,30}}")
_CARD = re.compile(rf"(?<![\w.+-])\d(?:(?:{_BLANK}|{_DASH}|[./]){{0,3}}\d){{12,24}}")
_IP4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)")
_IP4_RANGE = re.compile(r"\d\.\d+\.\d+\.\d+-\Z")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")
_PHONE = re.compile(
    rf"(?<![\w*#])(?<!№(?!0\d{{9}}(?!\d)))(?<!\d\.)(?:\+|\(\+?|00)?\(?\d(?:(?:{_BLANK}|{_DASH}|[().·/]){{0,3}}\d){{6,14}}(?![^\W_]|[*%/\d]|\.\d|,\d{{1,3}}(?!\d)|{_DASH}\d)"
)
_DATE = re.compile(r"(?:[0-3]?\d[-. /][01]?\d[-. /](?:19|20)\d\d|(?:19|20)\d\d[-. /][01]?\d[-. /][0-3]?\d)(?!\d)")
_ITEM_BEFORE, _ITEM_BEHIND = re.compile(r"(?:^|\n|[.;!?]|\d-)[ \u00a0]*\Z"), re.compile(r"\.\s+\S|-\d")
"""Around the number of an article, which begins a line or follows the end of another, and ends with a full stop."""
_WITHOUT_TRUNK = re.compile(r"\(?\d{2,3}(?:\D|\Z)|\d{7,}\Z|\d{4}\D\d{3,4}\Z")
_DIGITS = re.compile("[0-9]+")
_GROUPED = re.compile(rf"\d\d(?:{_BLANK}|-)\d{{3}}(?:{_BLANK}|-)\d\d(?:{_BLANK}|-)\d\d\Z|\d{{3}}-\d\d-\d\d\Z")
"""Groups that only phone numbers have: their digits are told apart by no thousands."""
_WITH_AREA = re.compile(rf"\(0\d\d\){_BLANK}?\d{{3}}(?:{_BLANK}|-)?\d\d(?:{_BLANK}|-)?\d\d\Z")
_IN_THE_CITY = re.compile(r"\d{3}\D{0,3}\d\d\D{0,3}\d\d\Z")
_NOBODYS = {phonenumbers.PhoneNumberType.TOLL_FREE, phonenumbers.PhoneNumberType.UAN,
            phonenumbers.PhoneNumberType.SHARED_COST, phonenumbers.PhoneNumberType.PREMIUM_RATE}  # fmt: skip
"""Kinds of numbers that are of companies alone."""
_SCHEMES = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11})\Z"
)
"""Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club: first digits and lengths."""
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


@dataclass(frozen=True)
class Span:
    """Personal data of a kind, between two characters of a text."""

    kind: str
    begin: int
    end: int


class Finder:
    """Finds personal data as people of one country, and their guests, write it; but for what is in `known`, such as
    the addresses and numbers of one's own company, however these are written."""

    def __init__(self, profile: LanguageProfile, known: Sequence[str] = ()):
        self._profile, self._data = profile, profile.personal_data
        self._known = frozenset(map(_bare, known))
        self._finders: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
            "email": _emails, "card": _cards, "ip": self._ips, "phone": self._phones,
            "identity": self._identities,
        }  # fmt: skip

    def find(self, text: str) -> list[Span]:
        """What there is in a text, in its order, none over another."""
        found: list[Span] = []
        for kind in _kinds_possible(text):
            if kind == "iban":  # a mistyped one holds no card
                found += [Span("iban" if right else "", begin, end) for begin, end, right in _ibans(text)]
                continue
            free = (span for span in self._finders[kind](text) if not _taken(span, found))
            found += [Span(kind, begin, end) for begin, end in free]
        unknown = (one for one in found if one.kind and _bare(text[one.begin : one.end]) not in self._known)
        return sorted(unknown, key=lambda span: span.begin)

    def _ips(self, text: str) -> Iterator[tuple[int, int]]:
        for match in _IP4.finditer(text):
            if not self._is_numbering(text, match):
                yield match.span()
        for match in _IP6.finditer(text) if ":" in text else ():
            try:
                ipaddress.IPv6Address(match.group())
            except ValueError:
                continue
            if len(match.group().replace(":", "")) > 3:
                yield match.span()

    def _is_numbering(self, text: str, match: re.Match[str]) -> bool:
        """Whether what looks like an address is the number of an article or a version."""
        before, behind = text[max(0, match.start() - 16) : match.start()], text[match.end() : match.end() + 24]
        if (before[-1:] == "-" and not _IP4_RANGE.search(before)) or (
            _ITEM_BEHIND.match(behind) and _ITEM_BEFORE.search(before)
        ):
            return True
        return bool(self._numbering.search(before) or self._ordinal.match(behind))

    @cached_property
    def _numbering(self) -> re.Pattern[str]:
        english = ("version", "section", "clause", "article")
        words = "|".join(re.escape(word) for word in (*self._both(self._data.numbering), *english))
        numbers = r"(?:[\w.]*\d[\w.]*[\s,]+(?:\w+\s+)?)?"  # the one before it in a row of two
        return re.compile(rf"(?:(?:^|[\W\d_])(?:(?:{words})\w{{0,6}}|ver|v)|§)[\s.:№]*{numbers}\Z", re.IGNORECASE)

    @cached_property
    def _ordinal(self) -> re.Pattern[str]:
        words = "|".join(re.escape(word) for word in (*self._both(self._data.numbering), "version"))
        ordinals = "|".join(re.escape(ending) for ending in self._data.ordinals)
        behind = rf"(?:-[\d.]+)?-[ ]?(?:{ordinals})\b|[\w-]{{0,5}}\s+(?:{words})" if ordinals else rf"\s+(?:{words})"
        return re.compile(behind, re.IGNORECASE)

    def _phones(self, text: str) -> Iterator[tuple[int, int]]:
        """In each run of digits the longest that is a number: a time may stand before it, an extension behind."""
        done = 0
        for begin, is_first in _groups(text):
            match = _PHONE.match(text, begin) if begin >= done else None
            if not match or not (is_first or match.group().lstrip("(")[0] in "+0"):
                continue
            begin += text[begin] == "(" and ")" not in match.group()
            behind = text[match.end() : match.end() + NEAR]
            for end in _ends(match):
                if self._is_phone(
                    text[begin:end], text[max(0, begin - NEAR) : begin], text[end : match.end()] + behind
                ):
                    yield begin, end
                    done = end
                    break

    def _is_phone(self, candidate: str, before: str, behind: str) -> bool:
        if _DATE.match(candidate):
            return False
        digits = re.sub(r"\D", "", candidate.replace("(0)", ""))  # +44 (0) 20: the zero is for calls at home
        international = candidate.lstrip("(").startswith(("+", "00"))
        if international:  # 00 begins meter readings too
            plain = candidate.lstrip("(").startswith("00")
            return _is_valid("+" + digits[2:], None) if plain else _is_possible("+" + digits)
        near = _GROUPED.match(candidate) or self._phone_words.search(before) or self._phone_words.search(behind)
        for region in self._data.phone_regions:
            code = str(phonenumbers.country_code_for_region(region))
            metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
            trunk = (metadata.national_prefix if metadata else None) or ""
            if digits.startswith(code) and _is_valid("+" + digits, None):
                return True
            told = bool(trunk) and digits.startswith(trunk)
            if told and _WITH_AREA.match(candidate) and _is_possible(f"+{code}{digits.removeprefix(trunk)}"):
                return True
            if (told or (near and _WITHOUT_TRUNK.match(candidate))) and _is_valid(digits, region):
                return True
            old = self._data.old_trunk
            if old and digits.startswith(old) and _is_valid(digits.removeprefix(old), region):
                return True
            short = near and self._data.capital_area_code and _IN_THE_CITY.match(candidate)
            if short and _is_valid(f"{trunk}{self._data.capital_area_code}{digits}", region):
                return True
        return False

    @cached_property
    def _phone_words(self) -> re.Pattern[str]:
        return self._words((*self._data.phone_context, "tel", "mob", "phone", "fax", "call", "whatsapp"))

    def _both(self, words: list[str]) -> list[str]:
        """The words, and as they are typed without their letters."""
        return sorted({form for word in words for form in (word, self._profile.fold_ascii(word))})

    def _words(self, words: tuple[str, ...]) -> re.Pattern[str]:
        """Any of the words, as it is or without its letters; one of five letters or more with any ending. Not in the
        mark that a mask left."""
        both = {form for word in words for form in (word, self._profile.fold_ascii(word))}
        both |= {self._profile.upper(word) for word in both} | {word.upper() for word in both}
        forms = [re.escape(word) + ("" if len(word) > 4 else r"(?![^\W\d_])") for word in sorted(both)]
        return re.compile(rf"(?<![^\W_])(?<!\[)(?:{'|'.join(forms)})", re.IGNORECASE)

    @cached_property
    def _identity_kinds(self) -> list[tuple[re.Pattern[str], re.Pattern[str] | None, int]]:
        return [
            (re.compile(kind.pattern), self._words(tuple(kind.context)) if kind.context else None, kind.reach)
            for kind in self._data.identity
        ]

    def _identities(self, text: str) -> Iterator[tuple[int, int]]:
        places = [match.span() for pattern in (_MIXED, _LONG_RUN) for match in pattern.finditer(text)]
        for pattern, words, reach in self._identity_kinds:
            for match in _beside(pattern, text, sorted(places)):
                begin, end = match.span(1) if pattern.groups else match.span()
                before, behind = text[max(0, begin - reach) : begin], text[end : end + reach // 2]
                if words is None or words.search(before) or words.search(behind):
                    yield begin, end


_BESIDE = 24
"""Characters beside digits that an identity number may take in."""
_DIGIT = re.compile("[0-9]")  # patterns that begin with a class of few characters are searched fast
_LONG_RUN = re.compile(r"[0-9](?:[ \u00a0\u2009\u202f().·/\u2010-\u2015№-]{0,3}[0-9]){6,}")
_MIXED = re.compile(r"[0-9](?:[A-Za-z]|(?<=[A-Za-z][0-9]))")
_COLONS = re.compile(":[0-9a-fA-F]{1,4}:")
_DOTTED = re.compile(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]")


def _kinds_possible(text: str) -> list[str]:
    """The kinds that a text may hold, at a glance: most texts hold none, and every kind's own search costs more."""
    kinds = ["email"] if "@" in text else []
    if not _DIGIT.search(text):
        return kinds
    has_run, is_mixed = bool(_LONG_RUN.search(text)), bool(_MIXED.search(text))
    kinds += ["iban"] if is_mixed else []
    kinds += ["card"] if has_run else []
    kinds += ["ip"] if _DOTTED.search(text) or "::" in text or _COLONS.search(text) else []
    kinds += ["identity"] if has_run or is_mixed else []
    return kinds + (["phone"] if has_run else [])


def _beside(pattern: re.Pattern[str], text: str, places: list[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Matches of a pattern beside digits that touch letters, or in long runs of digits: not in all of a long text."""
    done = 0
    for place in places:
        begin, end = max(done, place[0] - _BESIDE), min(len(text), place[1] + _BESIDE)
        for match in pattern.finditer(text, begin, end):
            if match.end() < end or end == len(text):  # else it is cut off here
                done = match.end()
                yield match


def _groups(text: str) -> Iterator[tuple[int, bool]]:
    """Where groups of digits begin in long runs, with + and ( before them; and whether each is its run's first."""
    for run in _LONG_RUN.finditer(text):
        for group in _DIGITS.finditer(text, run.start(), run.end()):
            begin = group.start()
            while begin and text[begin - 1] in "+(":
                begin -= 1
            yield begin, group.start() == run.start()


def _ends(match: re.Match[str]) -> list[int]:
    """Where groups of digits end in a match, the last first."""
    return [group.end() for group in _DIGITS.finditer(match.string, *match.span())][::-1]


def _bare(value: str) -> str:
    """An address in small letters; of a number, however it is written, the last nine digits."""
    return value.lower() if "@" in value else re.sub(r"\W", "", value)[-9:].lower()


def _taken(span: tuple[int, int], found: list[Span]) -> bool:
    return any(span[0] < other.end and other.begin < span[1] for other in found)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMAIL.finditer(text))


def _ibans(text: str) -> Iterator[tuple[int, int, bool]]:
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


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """In each run of digits the longest that can be a card: a time may stand before it, its date behind."""
    done = 0
    for begin, _ in _groups(text):
        begin += text[begin] == "("
        match = _CARD.match(text, begin) if begin >= done else None
        places = [place for place in range(*match.span()) if text[place].isdigit()] if match else []
        for length in range(min(19, len(places)), 12, -1):
            digits, end = "".join(text[place] for place in places[:length]), places[length - 1] + 1
            if not text[end : end + 1].isalnum() and _SCHEMES.match(digits) and _luhn(digits):
                yield begin, end
                done = end
                break


def _luhn(digits: str) -> bool:
    """The checksum of card numbers (ISO/IEC 7812)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _is_valid(number: str, region: str | None) -> bool:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) not in _NOBODYS


def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def mask(text: str, spans: list[Span]) -> str:
    """The text with `[kind]` in the place of each span."""
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.begin], f"[{span.kind}]"]
        done = span.end
    return "".join([*parts, text[done:]])
