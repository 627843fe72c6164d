"""The words of the window in the user's language. No Qt.

The English text is the key, so that the code reads as the window does, and what has no translation is English. A
language is one JSON file of `resources/translations`: `{"language": its own name, "texts": {English: translated}}`.
A table, and not Qt's .ts and .qm: half of the words come from modules without Qt (`words`, `settings`, `risk`), nothing
has to be compiled before a start, and a test can read both sides. What Qt itself says (Close, Cancel, the file dialog)
comes from Qt's own translations.

Numbers keep the decimal point in every language, as in DICOM, in the tables and in the copied text: the same size never
looks like two.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import lru_cache

from cadviewer import paths
from cadviewer.messages import Message

ENGLISH = "en"

log = logging.getLogger("cadviewer")

_texts: Mapping[str, str] = {}


def available() -> dict[str, str]:
    """Codes of the languages that ship and their own names, English first."""
    return {ENGLISH: "English"} | {code: str(content["language"]) for code, content in _shipped().items()}


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, object]]:
    """Content of every readable file of translations, by code."""
    found = {}
    for path in sorted((paths.resources() / "translations").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content["texts"], dict) and isinstance(content["language"], str):
                found[path.stem] = content
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("a file of translations cannot be read")
    return found


def texts(code: str) -> Mapping[str, str]:
    """The table of a language; empty for English and for one that does not ship."""
    content = _shipped().get(code)
    found = content["texts"] if content is not None else {}
    assert isinstance(found, dict)
    return found


def use(code: str) -> str:
    """Speak a language from now on ("de", "de_CH"); returns the code of the one that is spoken."""
    plain = code.replace("-", "_").split("_")[0].lower()
    spoken = plain if plain in available() else ENGLISH
    speak(texts(spoken))
    return spoken


def speak(table: Mapping[str, str]) -> None:
    """Take the words from a table from now on."""
    global _texts
    _texts = table


def tr(text: str, /, **values: object) -> str:
    """A text in the user's language, with `values` put in its {places} (format specifications are kept)."""
    found = _texts.get(text, text)
    return found.format(**values) if values else found


def translate(text: str) -> str:
    """What readers, models and the engine say, in the user's language; what is no message is looked up as it is."""
    if not isinstance(text, Message):
        return tr(text) if text else ""
    values = {name: translate(value) if isinstance(value, str) else value for name, value in text.values.items()}
    return tr(text.template, **values)


def count(number: int, one: str, many: str, /, **values: object) -> str:
    """`one` or `many` in the user's language, with {n} and `values` put in their places."""
    return tr(one if number == 1 else many, n=number, **values)
