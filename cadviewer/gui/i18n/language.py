"""The words of the window in the user's language (`cadviewer.translations`). No Qt.

The English text is the key, so that the code reads as the window does. Not Qt's .ts and .qm: half of the words come
from modules without Qt (`wording`, `settings`, `risk`). What Qt itself says (Close, Cancel, the file dialog) comes from
Qt's own translations.

Numbers keep the decimal point in every language, as in DICOM, in the tables and in the copied text: the same size never
looks like two.
"""

from __future__ import annotations

import gettext

from cadviewer import translations
from cadviewer.translations import ENGLISH, NAME, Words, available

__all__ = ["ENGLISH", "NAME", "available", "count", "speak", "tr", "translate", "use"]


def use(code: str) -> str:
    """Speak a language from now on ("de", "de_CH"); returns the code of the one that is spoken."""
    words = translations.words_of(code)
    translations.speak(words)
    return words.code


def speak(catalogue: gettext.NullTranslations) -> None:
    """Take the words from a catalogue from now on."""
    translations.speak(Words("", catalogue))


def tr(text: str, /, **values: object) -> str:
    """A text in the user's language, see `translations.Words.tr`."""
    return translations.spoken().tr(text, **values)


def translate(text: str) -> str:
    """What readers, models and the engine say, in the user's language."""
    return translations.spoken().translate(text)


def count(number: int, one: str, many: str, /, **values: object) -> str:
    """The form for a number that the user's language has, with {n} and `values` put in their places."""
    return translations.spoken().count(number, one, many, **values)
