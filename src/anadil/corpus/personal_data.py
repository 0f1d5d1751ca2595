"""Personal data in text: found by form and checked by what each kind must satisfy, so that order numbers stay."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import phonenumbers

from anadil.corpus.bank_numbers import BLANK, DASH, DIGITS, LONG_RUN, cards, groups, ibans
from anadil.languages import LanguageProfile, load_profile

KINDS = ("email", "iban", "card", "ip", "identity", "phone")
"""In the order in which they are looked for; what one has taken no other takes."""
NEAR = 60
"""Characters before or behind, within which a word tells what a number is."""
_EMAIL = re.compile(
    r"(?<![\w.+%'-])\w[\w.+%'-]*@(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?!(?:png|jpe?g|gif|svg|webp)(?![^\W_]))(?:xn--\w+|[^\W\d_]{2,})(?![^\W_])"
)
_IP4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)")
_IP4_RANGE = re.compile(r"\d\.\d+\.\d+\.\d+-\Z")
_IP6 = re.compile(
    r"(?:(?<![\w:.])|(?<=ip6:))(?:[0-9a-fA-F]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{0,4})(?![\w:]|\.\d)"
)
_PHONE = re.compile(
    rf"(?<![\w*#])(?<![A-Z]-)(?<!№(?!0\d{{9}}(?!\d)))(?<!\d\.)(?:\+|\(\+?|00)?\(?\d(?:(?:{BLANK}|{DASH}|[().·/]){{0,3}}\d){{6,14}}(?![^\W_]|[*%/\d]|\.\d|,\d{{1,3}}(?!\d)|{DASH}\d)"
)
_DATE = re.compile(r"(?:[0-3]?\d[-. /][01]?\d[-. /](?:19|20)\d\d|(?:19|20)\d\d[-. /][01]?\d[-. /][0-3]?\d)(?!\d)")
_ITEM_BEFORE, _ITEM_BEHIND = re.compile(r"(?:^|\n|[.;!?]|\d-)[ \u00a0]*\Z"), re.compile(r"\.\s+\S|-\d")
"""Around the number of an article, which begins a line or follows the end of another, and ends with a full stop."""
_WITHOUT_TRUNK = re.compile(r"\(?\d{2,3}(?:\D|\Z)|\d{7,}\Z|\d{4}\D\d{3,4}\Z")
_GROUPED = re.compile(rf"\d\d(?:{BLANK}|-)\d{{3}}(?:{BLANK}|-)\d\d(?:{BLANK}|-)\d\d\Z|\d{{3}}-\d\d-\d\d\Z")
"""Groups that only phone numbers have: their digits are told apart by no thousands."""
_WITH_AREA = re.compile(rf"\(0\d\d\){BLANK}?\d{{3}}(?:{BLANK}|-)?\d\d(?:{BLANK}|-)?\d\d\Z")
_IN_THE_CITY = re.compile(r"\d{3}\D{0,3}\d\d\D{0,3}\d\d\Z")
_NOBODYS = {phonenumbers.PhoneNumberType.TOLL_FREE, phonenumbers.PhoneNumberType.UAN,
            phonenumbers.PhoneNumberType.SHARED_COST, phonenumbers.PhoneNumberType.PREMIUM_RATE}  # fmt: skip
"""Kinds of numbers that are of companies alone."""


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
        self._guests = [load_profile(code) for code in self._data.guests]
        self._known = frozenset(map(_bare, known))
        self._finders: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
            "email": _emails, "card": cards, "ip": self._ips, "phone": self._phones,
            "identity": self._identities,
        }  # fmt: skip

    def find(self, text: str) -> list[Span]:
        """What there is in a text, in its order, none over another."""
        found: list[Span] = []
        for kind in _kinds_possible(text):
            if kind == "iban":  # a mistyped one holds no card
                found += [Span("iban" if right else "", begin, end) for begin, end, right in ibans(text)]
                continue
            free = (span for span in self._finders[kind](text) if not _taken(span, found))
            found += [Span(kind, begin, end) for begin, end in free]
        unknown = (one for one in found if one.kind and _bare(text[one.begin : one.end]) not in self._known)
        return sorted(unknown, key=lambda span: span.begin)

    def _ips(self, text: str) -> Iterator[tuple[int, int]]:
        done = set[int]()
        for match in _IP6.finditer(text) if ":" in text else ():
            try:
                ipaddress.IPv6Address(match.group())
            except ValueError:
                continue
            if len(match.group().replace(":", "")) > 3:
                done.update(range(*match.span()))
                yield match.span()
        for match in _IP4.finditer(text):  # some stand at the end of a longer one
            if match.start() not in done and not self._is_numbering(text, match):
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
        words = "|".join(re.escape(word) for word in (*self._numbered, "section", "clause", "article"))
        numbers = r"(?:[\w.]*\d[\w.]*[\s,]+(?:\w+\s+)?)?"  # the one before it in a row of two
        return re.compile(rf"(?:(?:^|[\W\d_])(?:(?:{words})\w{{0,6}}|ver|v|п)|§)[\s.:=№]*{numbers}\Z", re.IGNORECASE)

    @cached_property
    def _ordinal(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, self._numbered))
        ordinals = "|".join(re.escape(ending) for ending in self._data.ordinals)
        behind = rf"(?:-[\d.]+)?-[ ]?(?:{ordinals})\b|[\w-]{{0,5}}\s+(?:{words})" if ordinals else rf"\s+(?:{words})"
        return re.compile(behind, re.IGNORECASE)

    @cached_property
    def _numbered(self) -> list[str]:
        """Words beside which dotted numbers are no addresses."""
        guests = (word for guest in self._guests for word in guest.personal_data.numbering)
        return [*self._both(self._data.numbering), *guests, "version", "release", "database"]

    def _phones(self, text: str) -> Iterator[tuple[int, int]]:
        """In each run of digits the longest that is a number: a time may stand before it, an extension behind."""
        done = 0
        for begin, is_first in groups(text):
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
        return bool(near) and self._is_guests(candidate, digits)

    def _is_guests(self, candidate: str, digits: str) -> bool:
        """Whether a number is one that people from abroad call at home."""
        if not 10 <= len(digits) <= 12:
            return False
        for region in (region for guest in self._guests for region in guest.personal_data.phone_regions):
            code = str(phonenumbers.country_code_for_region(region))
            metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
            trunk = (metadata.national_prefix if metadata else None) or ""
            if (trunk and digits.startswith(trunk) and _is_valid(digits, region)) or (
                digits.startswith(code) and len(digits) > 10 and _is_valid("+" + digits, None)
            ):
                return True
        return False

    @cached_property
    def _phone_words(self) -> re.Pattern[str]:
        guests = (word for guest in self._guests for word in guest.personal_data.phone_context)
        return self._words((*self._data.phone_context, *guests, "tel", "mob", "phone", "fax", "call", "whatsapp"))

    def _both(self, words: list[str]) -> list[str]:
        """The words, and as they are typed without their letters."""
        return sorted({form for word in words for form in (word, self._profile.fold_ascii(word))})

    def _words(self, words: tuple[str, ...]) -> re.Pattern[str]:
        """Any of the words, as it is or without its letters; one of five letters or more with any ending. Not in the
        mark that a mask left."""
        both = {form for word in words for form in (word, self._profile.fold_ascii(word))}
        both |= {self._profile.upper(word) for word in both} | {word.upper() for word in both}
        forms = [re.escape(word) + ("" if len(word) > 4 else r"(?![^\W\d_])") for word in sorted(both)]
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?!\])", re.IGNORECASE)

    @cached_property
    def _identity_kinds(self) -> list[tuple[re.Pattern[str], re.Pattern[str] | None, int]]:
        kinds = [kind for one in (self._profile, *self._guests) for kind in one.personal_data.identity]
        return [
            (re.compile(kind.pattern), self._words(tuple(kind.context)) if kind.context else None, kind.reach)
            for kind in kinds
        ]

    def _identities(self, text: str) -> Iterator[tuple[int, int]]:
        places = [match.span() for pattern in (_MIXED, LONG_RUN) for match in pattern.finditer(text)]
        for pattern, words, reach in self._identity_kinds:
            for match in _beside(pattern, text, sorted(places)):
                begin, end = match.span(1) if pattern.groups else match.span()
                before, behind = text[max(0, begin - reach) : begin], text[end : end + reach // 2]
                if words is None or words.search(before) or words.search(behind):
                    yield begin, end


_BESIDE = 24
"""Characters beside digits that an identity number may take in."""
_DIGIT = re.compile("[0-9]")  # patterns that begin with a class of few characters are searched fast
_MIXED = re.compile(r"[0-9](?:[A-Za-z]|(?<=[A-Za-z][0-9]))")
_COLONS = re.compile(":[0-9a-fA-F]{1,4}:")
_DOTTED = re.compile(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]")


def _kinds_possible(text: str) -> list[str]:
    """The kinds that a text may hold, at a glance: most texts hold none, and every kind's own search costs more."""
    kinds = ["email"] if "@" in text else []
    if not _DIGIT.search(text):
        return kinds
    has_run, is_mixed = bool(LONG_RUN.search(text)), bool(_MIXED.search(text))
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


def _ends(match: re.Match[str]) -> list[int]:
    """Where groups of digits end in a match, the last first."""
    return [group.end() for group in DIGITS.finditer(match.string, *match.span())][::-1]


def _bare(value: str) -> str:
    """An address in small letters; of a number, however it is written, the last nine digits."""
    return value.lower() if "@" in value else re.sub(r"\W", "", value)[-9:].lower()


def _taken(span: tuple[int, int], found: list[Span]) -> bool:
    return any(span[0] < other.end and other.begin < span[1] for other in found)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMAIL.finditer(text))


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
