"""What the program says to people: English sentences that can be said in another language.

Readers, models and the engine know no languages. They say `Message("{count} files", count=3)`: that is the English text
wherever a text is wanted, in results and exports too, and the window translates it by its template, with gettext.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self


class Message(str):
    """An English sentence and what it was made of: a template, and the values in its {places}.

    Values are text (messages among them), numbers or truth values; anything else counts as its text. It is a text, so
    it is shown, compared, stored and sent as one; what is put together of messages is a plain text unless it is made
    with `Message` again.
    """

    template: str
    values: Mapping[str, str | int | float | bool]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        plain = {name: _plain(value) for name, value in values.items()}
        made = super().__new__(cls, template.format(**plain) if plain else template)
        made.template, made.values = template, plain
        return made

    def __str__(self) -> str:
        return self  # `str(error)` stays a message

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.template, dict(self.values))

    @property
    def code(self) -> str:
        """A name of the sentence for programs, made of its words: "no-such-file-or-folder"."""
        words = re.findall(r"[A-Za-z0-9]+", re.sub(r"\{[^}]*\}", " ", self.template))
        return "-".join(words[:8]).lower()


def code_of(text: str) -> str:
    """The code of a message; "" for any other text."""
    return text.code if isinstance(text, Message) else ""


def joined(separator: str, parts: list[str] | tuple[str, ...]) -> str:
    """Several sentences as one, each of which can still be translated."""
    if len(parts) < 2:
        return parts[0] if parts else ""
    names = [f"part{k}" for k in range(len(parts))]
    return Message(separator.join(f"{{{name}}}" for name in names), **dict(zip(names, parts, strict=True)))


MESSAGE = "message"
"""Key of a message among JSON values: {"message": its template, "values": {place: value}}."""


def to_json(text: str) -> Any:
    """A text as a JSON value that keeps what a message was made of."""
    if not isinstance(text, Message):
        return text
    return {
        MESSAGE: text.template,
        "values": {n: to_json(v) if isinstance(v, str) else v for n, v in text.values.items()},
    }


def from_json(value: Any) -> str:
    """The text or message of a JSON value. Raises ValueError for what is neither."""
    if isinstance(value, Mapping):
        try:
            values = {n: from_json(v) if isinstance(v, str | Mapping) else v for n, v in value["values"].items()}
            return Message(value[MESSAGE], **values)
        except (KeyError, AttributeError, IndexError, TypeError) as error:
            raise ValueError(f"no message: {error}") from error
    if not isinstance(value, str):
        raise ValueError(f"no text, but {type(value).__name__}")
    return value


def _made(template: str, values: Mapping[str, Any]) -> Message:
    return Message(template, **values)


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, str | bool | int | float):
        return value
    item = getattr(value, "item", None)  # a number of NumPy
    if item is not None and getattr(value, "ndim", None) == 0:
        return _plain(item())
    return str(value)
