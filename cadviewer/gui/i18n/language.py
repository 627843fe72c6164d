"""The words of the window in the user's language, by gettext. No Qt.

The English text is the key, so that the code reads as the window does, and what has no translation is English. A
language is `resources/translations/<code>.po`, which translators edit, and the `.mo` made of it (`make translations`).
Not Qt's .ts and .qm: half of the words come from modules without Qt (`wording`, `settings`, `risk`). What Qt itself
says (Close, Cancel, the file dialog) comes from Qt's own translations.

Numbers keep the decimal point in every language, as in DICOM, in the tables and in the copied text: the same size never
looks like two.
"""

from __future__ import annotations

import gettext
import logging
from collections.abc import Mapping
from functools import lru_cache

from cadviewer import paths
from cadviewer.messages import Message

ENGLISH = "en"
NAME = "English"
"""Its translation is what a language calls itself."""

log = logging.getLogger("cadviewer")

_spoken = gettext.NullTranslations()


def available() -> dict[str, str]:
    """Codes of the languages that ship and their own names, English first."""
    return {ENGLISH: "English"} | {code: catalogue.gettext(NAME) for code, catalogue in _shipped().items()}


@lru_cache(maxsize=1)
def _shipped() -> dict[str, gettext.GNUTranslations]:
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


def use(code: str) -> str:
    """Speak a language from now on ("de", "de_CH"); returns the code of the one that is spoken."""
    plain = code.replace("-", "_").split("_")[0].lower()
    catalogue = _shipped().get(plain)
    speak(catalogue if catalogue is not None else gettext.NullTranslations())
    return plain if catalogue is not None else ENGLISH


def speak(catalogue: gettext.NullTranslations) -> None:
    """Take the words from a catalogue from now on."""
    global _spoken
    _spoken = catalogue


def tr(text: str, /, **values: object) -> str:
    """A text in the user's language, with `values` put in its {places} (format specifications are kept).

    Messages and errors among the values are said in it too.
    """
    found = _spoken.gettext(text) if text else ""  # of an empty text gettext gives the header of its catalogue
    return found.format(**_said(values)) if values else found


def translate(text: str) -> str:
    """What readers, models and the engine say, in the user's language; what is no message is looked up as it is."""
    if not isinstance(text, Message):
        return tr(text)
    return tr(text.template, **text.values)


def count(number: int, one: str, many: str, /, **values: object) -> str:
    """The form for a number that the user's language has, with {n} and `values` put in their places."""
    return _spoken.ngettext(one, many, number).format(n=number, **_said(values))


def _said(values: Mapping[str, object]) -> dict[str, object]:
    return {name: translate(str(v)) if isinstance(v, Message | BaseException) else v for name, v in values.items()}
