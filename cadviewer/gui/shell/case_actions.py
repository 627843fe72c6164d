"""Opening, finding and closing series: what the File menu and the list of studies ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.loader import small
from cadviewer.gui.cases.opener import Opener, OpenReport
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.cases.studies_panel import StudiesPanel
from cadviewer.gui.engine.analysis import Analysis
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.fields import Line
from cadviewer.gui.widgets.notifications import Notification


class CaseActions:
    """Handlers of the actions that change which series are open.

    window: parent of the dialogs. find: the line that searches the list. analysis, view_actions: what they do for a
    series ends when it is closed. say: shows one line below the images. show_list: makes the list visible where it is
    hidden.
    """

    actions: Actions

    def __init__(
        self,
        window: QWidget,
        cases: Cases,
        opener: Opener,
        studies: StudiesPanel,
        find: Line,
        analysis: Analysis,
        workspace: Workspace,
        view_actions: ViewActions,
        preferences: Preferences,
        say: Callable[[str], None],
        show_list: Callable[[], None],
    ) -> None:
        self._window, self._cases, self._opener = window, cases, opener
        self._studies, self._find, self._workspace = studies, find, workspace
        self._analysis, self._view_actions, self._preferences = analysis, view_actions, preferences
        self._say, self._show_list = say, show_list
        opener.reported.connect(self.report)
        opener.broken.connect(self._broken)
        studies.asked.connect(opener.open_case)
        studies.close_asked.connect(self.close_cases)
        find.textChanged.connect(studies.want)
        find.returnPressed.connect(self.open_first_listed)
        workspace.welcome.clicked.connect(self.open_files)
        workspace.welcome.asked.connect(lambda name: self.actions[name].trigger())

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "open_files": self.open_files,
            "open_folder": self.open_folder,
            "find_series": self.find_series,
            "close_series": self.close_series,
            "close_all": self.close_all,
            "open_demo": self.open_demo,
            "previous_series": lambda: self.step_series(-1),
            "next_series": lambda: self.step_series(1),
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        self.actions.enable(case is not None and case.stack is not None, "close_series")
        self.actions.enable(len(self._cases) > 0, "find_series", "close_all")

    # opening -----------------------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files and folders, and remember them."""
        for path in paths:
            self._preferences.add_recent(str(path.absolute()))
        self._opener.open_paths(paths)

    def open_files(self) -> None:
        """Ask for files."""
        self._ask(tr("Open files"), QFileDialog.FileMode.ExistingFiles)

    def open_folder(self) -> None:
        """Ask for a folder."""
        self._ask(tr("Open a folder"), QFileDialog.FileMode.Directory)

    def _ask(self, title: str, mode: QFileDialog.FileMode) -> None:
        dialog = QFileDialog(self._window, title, self._preferences.now.last_folder)
        dialog.setFileMode(mode)
        dialog.filesSelected.connect(self._chosen)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _chosen(self, names: list[str]) -> None:
        if names:
            self._preferences.change(last_folder=str(Path(names[0]).parent))
            self.open_paths([Path(name) for name in names])

    def open_demo(self) -> None:
        """Open the built-in demo study."""
        self._opener.open_made(demo_study)

    def fill_recent(self, menu: QMenu) -> None:
        """The menu of what was opened last."""
        menu.clear()
        for name in self._preferences.now.recent[:12]:
            menu.addAction(name).triggered.connect(lambda _=False, name=name: self.open_paths([Path(name)]))
        if not self._preferences.now.recent:
            menu.addAction(tr("Nothing yet")).setEnabled(False)

    def report(self, report: OpenReport) -> None:
        """Say what a request to open did not open."""
        notices = self._workspace.notifications
        text = problem_of(report)
        if not text:
            notices.dismiss("refused")
            return
        details = ((tr("Details"), lambda: self.show_rejected(report)),) if report.rejected else ()
        notices.say(Notification("refused", text, details))

    def show_rejected(self, report: OpenReport) -> None:
        """Which files were not opened, and why."""
        from cadviewer.gui.help import dialogs

        dialogs.not_opened(self._window, report).open()

    def _broken(self, case: Case, reason: str) -> None:
        self._studies.rows.changed(case)
        text = tr("{name} could not be opened: {reason}", name=case.series.source.name, reason=reason)
        self._workspace.notifications.say(Notification("open", text))

    # the list ----------------------------------------------------------------------------------------------------

    def step_series(self, by: int) -> None:
        """The next series of the list, or the one before."""
        case = self._studies.rows.neighbour(by)
        if case is not None:
            self._opener.open_case(case)

    def open_first_listed(self) -> None:
        """What the reader typed is the name of this one."""
        listed = self._studies.rows.listed()
        if self._find.text() and listed:
            wanted = [case for case in listed if case is not self._cases.current] or listed
            self._opener.open_case(wanted[0])

    def find_series(self) -> None:
        """Type what a series, a study or a patient is called."""
        self._show_list()
        self._find.setFocus()
        self._find.selectAll()

    def close_series(self) -> None:
        """Take the open series out of the list."""
        if self._cases.current is not None:
            self.close_cases((self._cases.current,))

    def close_all(self) -> None:
        """Empty the list."""
        self.close_cases(tuple(self._cases))

    def close_cases(self, gone: Sequence[Case]) -> None:
        """Take series out of the list: what runs for them ends, what was decided on them stays in the journal."""
        if self._cases.beside in gone:
            self._view_actions.leave_comparison()
        for case in gone:
            self._analysis.leave(case)
        listed = self._studies.rows.listed()
        at = listed.index(self._cases.current) if self._cases.current in listed else 0
        after = next((c for c in listed[at:] + listed[:at][::-1] if c not in gone), None)
        self._opener.close(gone, after)
        self._studies.refresh(self._cases.current)
        self._say(language.count(len(gone), "{n} series closed", "{n} series are closed"))

    def make_thumbnail(self, case: Case) -> None:
        """The thumbnail of a case that is read anyway."""
        if case.stack is None or self._studies.rows.row_of(case) < 0:
            return
        frame = case.stack.frame(len(case.stack) // 2)
        if frame is not None:
            self._studies.rows.add_picture(case.case_id, small(frame), case.series)


def problem_of(report: OpenReport) -> str:
    """What of a request to open was not opened, in one sentence; "" where everything was."""
    only = report.paths[0] if len(report.paths) == 1 else None
    name = (only.name or str(only)) if only is not None else tr("{n} items", n=len(report.paths))
    if report.problem:
        return tr("{name} could not be opened: {problem}", name=name, problem=report.problem)
    if len(report.refused) == 1:
        (one,) = report.refused
        return tr("{name} could not be opened: {reason}", name=one.source.name, reason=one.reason)
    if report.refused:
        first = report.refused[0]
        return tr(
            "{n} files could not be opened; {name}: {reason}",
            n=len(report.refused),
            name=first.source.name,
            reason=first.reason,
        )
    if not report.series and not report.annotations:
        reason = report.rejected[0].reason if len(report.rejected) == 1 else tr("there is no image in it")
        return tr("{name} could not be opened: {reason}", name=name, reason=reason)
    return ""


def demo_study() -> tuple[Path, ...]:
    """The built-in demo study in the user's data folder, the CT first, made if it is not there yet. Takes seconds."""
    from cadviewer import paths
    from cadviewer.phantoms import files as phantom_files

    folder = paths.user_data() / "demo"
    if not (folder / "truth.json").is_file():
        phantom_files.write_demo_study(folder)
    return tuple(sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: ("ct" not in p.name, p.name)))
