"""Comparing the open CT with an earlier one by keys and menus, and going from one change to the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.comparing import Comparing
from cadviewer.gui.shell.side_panel import SidePanel
from cadviewer.gui.viewing.comparison import Comparison
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.gui.viewing.grid.linking import Link, registered
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.notifications import Notification
from cadviewer.store.comparison import Change


class ComparisonActions:
    """Handlers of the actions that match findings with an earlier CT.

    comparison: puts a series beside the open one. say: shows one line below the images.
    """

    actions: Actions

    def __init__(
        self,
        cases: Cases,
        comparing: Comparing,
        comparison: Comparison,
        desk: Workspace,
        side: SidePanel,
        say: Callable[[str], None],
    ) -> None:
        self._cases, self._comparing, self._comparison = cases, comparing, comparison
        self._desk, self._side, self._say = desk, side, say
        self._then: tuple[Case, Callable[[Case, Case], object]] | None = None  # once that case is beside the open one
        desk.grid.registered = self._link
        comparing.registered.connect(self._registered)
        comparison.ready.connect(self._beside)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "match": self.match,
            "next_change": lambda: self.step(1),
            "previous_change": lambda: self.step(-1),
            "same_nodule": lambda: self.answer(True),
            "other_nodule": lambda: self.answer(False),
        }

    def listen(self) -> None:
        """Do what the reader asks for in the panel."""
        panel = self._side.nodules.comparison
        panel.earlier = self._comparing.earlier
        panel.compare_asked.connect(self.match)
        panel.cancel_asked.connect(self._cancel)
        panel.looked_at.connect(self.look_at)
        panel.answered.connect(self.answer)

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        enable = self.actions.enable
        chest = case is not None and case.stack is not None and not case.per_image
        enable(chest, "match")
        compared = case.compared if case is not None else None
        enable(compared is not None and compared.comparison is not None, "next_change", "previous_change")
        enable(compared is not None and compared.change is not None, "same_nodule", "other_nodule")

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    def match(self, prior: Case | None = None) -> None:
        """Match the findings with those of an earlier CT: the one that is meant, the one beside, or the latest."""
        case = self._case
        if case is None:
            return
        earlier = self._comparing.earlier(case)
        beside = self._desk.grid.beside
        wanted = prior if prior in earlier else beside if beside in earlier else next(iter(earlier), None)
        if wanted is None:
            later = self._comparing.any_later(case)
            open_later = tr("This is the earlier CT: open the later one to compare it with this one")
            self._say(open_later if later else tr("No earlier CT of this patient is open"))
            return
        nodules = self._side.nodules
        nodules.setCurrentWidget(nodules.comparison)
        self._desk.notifications.dismiss("match")
        self._show_beside(wanted, self._comparing.compare)

    def _cancel(self) -> None:
        if self._case is not None:
            self._comparing.cancel(self._case)

    def step(self, by: int) -> None:
        """The next change of the list, or the one before, in both CTs."""
        case = self._case
        row = self._comparing.next_row(case, by) if case is not None else None
        if row is not None:
            self.look_at(row)

    def look_at(self, row: int) -> None:
        """Show both places of a row of the list."""
        case = self._case
        if case is None or case.compared is None:
            return
        self._comparing.look_at(case, row)
        nodules = self._side.nodules
        nodules.setCurrentWidget(nodules.comparison)
        change = case.compared.change
        if change is not None:
            self._show_beside(case.compared.prior, lambda case, prior: self._go_to(change))

    def answer(self, same: bool) -> None:
        """Whether the two findings looked at are one nodule."""
        if self._case is not None:
            self._comparing.answer(self._case, same)

    def _show_beside(self, prior: Case, then: Callable[[Case, Case], object]) -> None:
        """Do something once an earlier CT is beside the open one."""
        case, grid = self._case, self._desk.grid
        if case is not None and grid.layout_now is Layout.PAIR and grid.beside is prior:
            then(case, prior)
        else:
            self._then = prior, then
            self._comparison.want(prior)

    def _beside(self, other: Case) -> None:
        """A second case is beside the open one: what was wanted of it; else the offer to match it."""
        wanted, self._then = self._then, None
        case = self._case
        if case is None:
            return
        if wanted is not None and wanted[0] is other:
            wanted[1](case, other)
        elif other in self._comparing.earlier(case) and (case.compared is None or case.compared.prior is not other):
            text = tr("An earlier CT of the same patient: its findings can be matched, which also aligns the two.")
            answers = ((tr("Match"), lambda: self.match(other)),)
            self._desk.notifications.dismiss("link")  # one offer; how they are linked stands over the second view
            self._desk.notifications.say(Notification("match", text, answers))
            return
        self._desk.notifications.dismiss("match")

    def _go_to(self, change: Change) -> None:
        """Both places: where a finding is, and where the registration puts it in the other CT."""
        grid = self._desk.grid
        grid.set_crosshair(True)
        if change.now is not None:
            self._desk.go_to_finding(change.now.number)
        elif change.now_mm is not None:
            grid.show_point(np.array(change.now_mm), centre=True)
        else:
            self._say(tr("That place is outside this CT"))

    def _registered(self) -> None:
        """Two cases can be linked by what was found."""
        self._desk.grid.relink()
        self._desk.notifications.dismiss("link", "match")

    def _link(self, first: Case, second: Case) -> Link | None:
        maps = self._comparing.maps(first, second)
        return registered(*maps) if maps is not None else None
