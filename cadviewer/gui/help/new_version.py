"""Whether there is a newer version: asked only when the user asks, of the address in the settings. Nothing is sent.

`Settings.versions_address` names a page in the form of PyPI's JSON API (docs.pypi.org/api/json: `info.version`). There
is none yet, since the program has no public home; a hospital may put up its own.
"""

from __future__ import annotations

import json
import re
from html import escape

from PySide6.QtCore import QUrl
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkReply, QNetworkRequest
from PySide6.QtWidgets import QWidget

import cadviewer
from cadviewer.gui.help.dialogs import TextDialog
from cadviewer.gui.i18n.language import tr

PATIENCE_MS = 15_000


class NewVersionDialog(TextDialog):
    """Asks as soon as it is made, and says the answer or why there is none."""

    def __init__(self, parent: QWidget | None, address: str) -> None:
        super().__init__(parent, tr("New version"), "")
        self.resize(460, 220)
        url = QUrl(address)
        if not address:
            self._say(
                tr("This program has no public home yet, so there is nowhere to ask."),
                tr("An address of your own is given by “versions_address” in the settings file (docs/settings.md)."),
            )
        elif url.scheme() not in ("https", "http") or not url.host():
            self._say(tr("Nobody was asked: {address} is no address of a web page.", address=address))
        else:
            self._say(tr("Asking {host}…", host=url.host()))
            request = QNetworkRequest(url)
            request.setTransferTimeout(PATIENCE_MS)
            self._network = QNetworkAccessManager(self)
            self._network.finished.connect(self._answered)
            self._network.get(request)

    def _say(self, *lines: str) -> None:
        own = tr("This is version {version}.", version=cadviewer.__version__)
        self.text.setHtml("".join(f"<p>{escape(line)}</p>" for line in (own, *lines)))

    def _answered(self, reply: QNetworkReply) -> None:
        host = reply.url().host()
        newest = _version(bytes(reply.readAll().data()))
        if reply.error() is not QNetworkReply.NetworkError.NoError:
            self._say(tr("{host} could not be asked: {reason}", host=host, reason=reply.errorString()))
        elif not newest:
            self._say(tr("{host} did not say which version is the newest.", host=host))
        elif is_newer(newest, cadviewer.__version__):
            self._say(tr("There is a newer one: {version}.", version=newest))
        else:
            self._say(tr("There is no newer one."))
        reply.deleteLater()


def _version(answer: bytes) -> str:
    try:
        version = json.loads(answer)["info"]["version"]
    except (ValueError, KeyError, TypeError):
        return ""
    return version if isinstance(version, str) and len(version) < 40 and re.match(r"\d", version) else ""


def is_newer(one: str, other: str) -> bool:
    """Whether a version ("1.10.2") is newer than another, by its numbers before the first letter."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    found = [int(part) for part in re.findall(r"\d+", re.split(r"[a-z+]", version.lower(), maxsplit=1)[0])]
    while found and found[-1] == 0:
        del found[-1]
    return tuple(found)
