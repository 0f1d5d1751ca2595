"""The words that our pages and the terminal chat show, from the language profile."""

from anadil.languages import LanguageProfile, load_profile


def page_strings(profile: LanguageProfile) -> dict[str, str]:
    """The profile's strings; English for those that it lacks."""
    return load_profile("en").page | profile.page
