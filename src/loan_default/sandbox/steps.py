"""Show the steps of a long job on stderr: moving on a terminal, one line a step elsewhere.

A step never looks stuck: on a terminal its elapsed time moves, and elsewhere a line every half
minute says that it still runs.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

SECONDS_OF_SILENCE = 30.0


class Steps:
    """The steps of a job; `titles` are the planned ones in their order, each only once.

    Use it as a context manager, `with Steps(titles) as steps`, and each step inside it as one too.
    """

    def __init__(self, titles: Sequence[str], console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            _Mark(table_column=Column(width=1)),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            _Elapsed(table_column=Column(justify="right", min_width=5)),
            TextColumn("{task.fields[detail]}", style="dim", table_column=Column(no_wrap=True)),
            console=self._console,
            disable=not self._console.is_interactive,
        )
        self._tasks = {title: self._add(title) for title in titles}
        self._details: dict[str, str] = {}
        self._began = time.monotonic()

    def __enter__(self) -> "Steps":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a step as running while the block runs, then as done or failed.

        One that was not planned is added at the end.
        """
        task = self._tasks[title] if title in self._tasks else self._add(title)
        self._bar.start_task(task)
        self._line(title)
        over = threading.Event()
        heart = threading.Thread(target=self._beat, args=(title, over), daemon=True)
        heart.start()
        try:
            yield
        except BaseException:
            self._bar.update(task, failed=True)
            raise
        finally:
            over.set()
            heart.join()
            self._end(task)

    def detail(self, title: str, text: str) -> None:
        """Say what a step is doing now, in a few words."""
        self._details[title] = text
        self._bar.update(self._tasks[title], detail=text)

    def _add(self, title: str) -> TaskID:
        return self._bar.add_task(title, start=False, total=1, detail="", failed=False)

    def _end(self, task: TaskID) -> None:
        if not self._bar.tasks[task].fields["failed"]:
            self._bar.update(task, completed=1)
        self._bar.stop_task(task)

    def _beat(self, title: str, over: threading.Event) -> None:
        """Say on other outputs than a terminal that a step goes on."""
        began = time.monotonic()
        while not over.wait(SECONDS_OF_SILENCE):
            about = self._details.get(title, "")
            spent = duration(time.monotonic() - began)
            self._line(f"  still running after {spent}" + (f": {about}" if about else ""))

    def _line(self, text: str) -> None:
        if self._bar.disable:
            spent = duration(time.monotonic() - self._began)
            self._console.print(f"[{spent:>5}] {text}", markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Format seconds as minutes and seconds, for example 1:05."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


class _Mark(ProgressColumn):
    """A spinner for the running step, a sign for one that has ended."""

    def __init__(self, table_column: Column) -> None:
        super().__init__(table_column)
        self._spinner = Spinner("dots", style="cyan")

    def render(self, task: Task) -> Text:
        if task.fields["failed"]:
            return Text("✗", style="bold red")
        if task.finished:
            return Text("✓", style="bold green")
        if not task.started:
            return Text("·", style="dim")
        drawn = self._spinner.render(task.get_time())
        assert isinstance(drawn, Text)
        return drawn


class _Elapsed(ProgressColumn):
    """The time since the step began, or that it took."""

    def render(self, task: Task) -> Text:
        spent = task.finished_time if task.finished else task.elapsed
        return Text("" if spent is None else duration(spent))
