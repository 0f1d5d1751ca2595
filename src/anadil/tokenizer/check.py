"""One line of a verification: what was looked at, whether it holds, and the figures that say so."""

from dataclasses import dataclass

_NOT_CHECKED = "not checked: "
_SHOWN = 8


@dataclass(frozen=True)
class Check:
    """A result. `detail` has numbers and, of a failure, the first example."""

    name: str
    passed: bool
    detail: str

    @property
    def result(self) -> str:
        """pass, FAIL or not checked."""
        if self.detail.startswith(_NOT_CHECKED):
            return "not checked"
        return "pass" if self.passed else "FAIL"


def not_checked(name: str, why: str) -> Check:
    """A check that could not be made here, which is no failure."""
    return Check(name, True, _NOT_CHECKED + why)


def code_points(text: str) -> str:
    """The first characters of a text by number, since what fails often cannot be seen."""
    shown = " ".join(f"U+{ord(character):04X}" for character in text[:_SHOWN])
    return shown + (f" ... ({len(text):,} characters)" if len(text) > _SHOWN else "") or "nothing"
