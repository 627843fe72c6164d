"""What one scan may take out of archives, all levels and all archives together: a file of some kilobytes can unpack to
terabytes, and one of some megabytes hold a million files.

Sizes and numbers are compared as the archive's own list of contents declares them, before anything is unpacked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from cadviewer.messages import Message

DEEPEST = 3
"""Archives within one another that are opened: a study in a zip in the zip of a mail has two."""
MOST_MEMBERS = 16_000
"""Files of one archive and all that lie in it; the largest studies of a scanner have some thousand images."""
MOST_MEMBERS_OF_A_SCAN = 500_000
LARGEST = 64 << 30
LARGEST_OF_A_SCAN = 1 << 40
FREE_SIZE = 512 << 20
"""Bytes that any archive may unpack to."""
RATIO = 100
"""Times its own size that an archive may unpack to beyond `FREE_SIZE`: images give 2 to 10, empty ones up to 1000."""
SECONDS = 10.0
SLOWEST = 1_000_000
"""Bytes of an archive a second that unpacking must do at least, after its first SECONDS."""


class TooMuch(Exception):
    """More than a scan takes; the message says what, in one line."""


@dataclass
class Budget:
    """What is left to one scan."""

    members: int = MOST_MEMBERS_OF_A_SCAN
    size: int = LARGEST_OF_A_SCAN

    def share(self, archive_size: int) -> Share:
        """What a given archive of so many bytes may take, with everything that lies in it."""
        return Share(self, archive_size, MOST_MEMBERS, min(LARGEST, FREE_SIZE + RATIO * archive_size))


@dataclass
class Share:
    """What is left to one archive that was given, and to those inside it. depth: of those that lie in
    what is being read, 1 for the one that was given."""

    budget: Budget
    archive_size: int
    members: int
    size: int
    depth: int = 1
    seconds: float = 0.0

    def check_members(self, count: int) -> None:
        """Raises TooMuch where so many more files are too many."""
        if count > self.members:
            raise TooMuch(Message("an archive of more than {most} files, which are not unpacked", most=MOST_MEMBERS))
        if count > self.budget.members:
            raise TooMuch(
                Message(
                    "more than {most} files in archives, more than one search takes",
                    most=MOST_MEMBERS_OF_A_SCAN,
                )
            )

    def check_size(self, size: int) -> None:
        """Raises TooMuch where so many more bytes are too many."""
        if size > self.size:
            said = f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.0f} MiB"
            raise TooMuch(
                Message("an archive that would unpack to {said}, out of all proportion to its own size", said=said)
            )
        if size > self.budget.size:
            raise TooMuch(Message("archives that would unpack to more than one search takes"))

    def take(self, members: int, size: int) -> None:
        """Count what is about to be unpacked. Raises TooMuch, and then nothing is counted."""
        self.check_members(members)
        self.check_size(size)
        self.members -= members
        self.size -= size
        self.budget.members -= members
        self.budget.size -= size

    def spent(self, since: float) -> None:
        """Count the time since `time.monotonic()` was `since`. Raises TooMuch when there was too much of it."""
        now = time.monotonic()
        if self.seconds + now - since > SECONDS + self.archive_size / SLOWEST:
            raise TooMuch(Message("an archive that takes too long to unpack"))
