"""Words in the languages that ship, by gettext: of the window, and of a report in whatever language it is asked for.

The English text is the key, and what has no translation is English. A language is `resources/translations/<code>.po`,
which translators edit, and the `.mo` made of it (`make translations`).
"""

from __future__ import annotations

import gettext
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cadviewer import paths
from cadviewer.messages import Message

ENGLISH = "en"
NAME = "English"
"""Its translation is what a language calls itself."""

log = logging.getLogger("cadviewer")


@dataclass(frozen=True)
class Words:
    """One language. code: "de"."""

    code: str
    catalogue: gettext.NullTranslations

    def tr(self, text: str, /, **values: object) -> str:
        """A text in this language, with `values` put in its {places} (format specifications are kept).

        Messages and errors among the values are said in it too.
        """
        found = self.catalogue.gettext(text) if text else ""  # of an empty text gettext gives its catalogue's header
        return found.format(**self._said(values)) if values else found

    def translate(self, text: str) -> str:
        """What readers, models and the engine say, in this language; what is no message is looked up as it is."""
        if not isinstance(text, Message):
            return self.tr(text)
        return self.tr(text.template, **text.values)

    def count(self, number: int, one: str, many: str, /, **values: object) -> str:
        """The form for a number that this language has, with {n} and `values` put in their places."""
        return self.catalogue.ngettext(one, many, number).format(n=number, **self._said(values))

    def _said(self, values: Mapping[str, object]) -> dict[str, object]:
        return {
            name: self.translate(str(v)) if isinstance(v, Message | BaseException) else v for name, v in values.items()
        }


_spoken = Words(ENGLISH, gettext.NullTranslations())


def spoken() -> Words:
    """The words of the window; English where there is none."""
    return _spoken


def speak(words: Words) -> None:
    """Take the words of the window from another language from now on."""
    global _spoken
    _spoken = words


def words_of(code: str) -> Words:
    """The words of a language ("de", "de_CH"); English ones where it does not ship."""
    plain = code.replace("-", "_").split("_")[0].lower()
    catalogue = shipped().get(plain)
    return Words(plain, catalogue) if catalogue is not None else Words(ENGLISH, gettext.NullTranslations())


def available() -> dict[str, str]:
    """Codes of the languages that ship and their own names, English first."""
    return {ENGLISH: NAME} | {code: catalogue.gettext(NAME) for code, catalogue in shipped().items()}


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, gettext.GNUTranslations]:
    """Every readable catalogue, by its language's code."""
    found = {}
    for path in sorted((paths.resources() / "translations").glob("*.mo")):
        try:
            with path.open("rb") as stream:
                catalogue = gettext.GNUTranslations(stream)
            if catalogue.gettext(NAME) != NAME:
                found[path.stem] = catalogue
        except (OSError, ValueError, UnicodeError):
            log.warning("a file of translations cannot be read")
    return found
