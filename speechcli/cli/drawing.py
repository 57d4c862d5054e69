"""Pictures of who speaks when: files of `--plot`, and lanes on the terminal where there is one recording."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from speechcli.cli import show
from speechcli.cli.lanes import print_lanes
from speechcli.core.transcript import Transcript
from speechcli.errors import OK, OutputError, SpeechcliError, UnavailableError, UsageError
from speechcli.formats import plot, table
from speechcli.jobs.job import Job
from speechcli.jobs.output import check_folder, write_atomically
from speechcli.jobs.plan import top
from speechcli.media.places import check_file

_HEAD = 4096  # bytes of a picture in which its maker is named


@dataclass(slots=True)
class Pictures:
    """Is shown each transcript that was made.

    file: `--plot`; of several jobs a folder, with those folders in it that their outputs are in. code: the exit code of
    a picture that went wrong.
    """

    file: Path | None
    jobs: Sequence[Job]
    overwrite: bool = False
    code: int = OK
    _top: Path = Path()
    _last: list[Transcript] = field(default_factory=list)

    def __call__(self, job: Job, shown: Transcript) -> None:
        if len(self.jobs) == 1:
            self._last = [shown]
        if self.file is None:
            return
        path = self.file / f"{_name(job, self._top)}.svg" if self._is_folder else self.file
        try:
            self._spare(path)
            write_atomically(path, [plot.drawn(shown, plot.kind_of(path))])
        except SpeechcliError as error:
            self.code = error.exit_code
            show.tell(f"error: {show.safe(error)}")

    def check(self) -> None:
        """Whether pictures can be drawn and written: before the work, not after it. Raises UsageError and its like."""
        if self.file is None:
            return
        if find_spec("matplotlib") is None:
            raise UnavailableError("a picture needs matplotlib", 'pip install "speechcli[diarize]"')
        if self._is_folder:
            if self.file.suffix.lower() in (".svg", ".png") and not self.file.is_dir():
                raise UsageError(f"--plot {self.file} is one picture, of one recording", "name a folder")
            check_folder(self.file)
            self._top = top(self.jobs)
        else:
            plot.kind_of(self.file)
            check_folder(self.file.parent)
            check_file(self.file)
            self._spare(self.file)

    def to_terminal(self, quiet: bool) -> None:
        """The lanes of the one recording that there was, if somebody looks."""
        if not quiet and sys.stderr.isatty():
            for transcript in self._last:
                print_lanes(transcript)

    def _spare(self, path: Path) -> None:
        """Raises OutputError for a picture, or anything else, that was not drawn here."""
        if self.overwrite or not path.exists():
            return
        with path.open("rb") as file:
            if not plot.is_ours(file.read(_HEAD)):
                raise OutputError(f"{path} exists and is not what speechcli drew", "--overwrite replaces it")

    @property
    def _is_folder(self) -> bool:
        return self.file is not None and (len(self.jobs) > 1 or self.file.is_dir())


def _name(job: Job, folder: Path) -> str:
    """What the picture of a recording is called: as its output seen from the folder above all, without suffix."""
    if not job.outputs:
        return Path(job.name).stem
    form, path = job.outputs[0]
    seen = os.path.relpath(path, folder)
    return (path.name if seen.startswith(os.pardir) else seen).removesuffix(table.named(form).suffix)
