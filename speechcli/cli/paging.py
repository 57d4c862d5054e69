"""The pages that `speechcli convert -f html` writes: with their recordings, and a list where there are several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from speechcli.cli import environment, show
from speechcli.core.transcript import Transcript
from speechcli.errors import OutputError, UnavailableError
from speechcli.formats import table
from speechcli.jobs import listing, manifest, pages
from speechcli.media import ffmpeg
from speechcli.timeline.cues import Style


class Pages:
    """What the pages of one run have in common."""

    def __init__(
        self, media: Path | None, embed: bool, references: Path | None, targets: Iterable[Path | None]
    ) -> None:
        """targets: of the pages. Raises NoInputError for references that are not there, UnavailableError where nothing
        compares them, or for an ffmpeg that was asked for and does not run.
        """
        wanted = environment.ffmpeg()
        program = None
        with suppress(*(() if wanted else (UnavailableError,))):  # a page can do without a waveform
            program = ffmpeg.find(wanted)
        all_of_them = list(targets)
        files = [target for target in all_of_them if target is not None]
        page = pages.page_of(embed, references, program)
        self._page = replace(page, one=page.one and len(all_of_them) == 1)
        self._media = media
        self._several = len(files) > 1
        folders = {target.parent for target in files}
        self._folder = folders.pop() if len(folders) == 1 else None

    def pieces(
        self, result: str, transcript: Transcript, target: Path | None, style: Style, quiet: bool
    ) -> Iterator[str]:
        """The page of one transcript. result: where it was read, target: where the page goes; what it has not is told.

        Raises MediaError, NoInputError and their like for a recording or a reference that cannot be had.
        """
        text = None if result == "-" else Path(result)
        home = "" if target is None else listing.home(target.parent, target, self._lists(target.parent))
        made = pages.of_file(transcript, text, target, self._page, self._media, home)
        if not quiet:
            for note in made.notes:
                show.tell(show.safe(f"{result}: {note}"))
        return table.pieces("html", transcript, style, made.beside)

    def list_all(self, quiet: bool) -> int:
        """Makes the list of the folder's pages anew; how many warnings were told. Raises DiskError, DeniedError."""
        folder = self._folder
        if folder is None or not (self._several or listing.is_ours(folder / listing.NAME)):
            return 0
        try:
            path = listing.write(folder, listing.folders_of(manifest.load(folder)))
        except OutputError as error:  # somebody else's index.html
            show.tell(f"warning: {show.safe(error)}")
            return 1
        if path is not None and not quiet:
            show.tell(f"all recordings -> {show.safe(path)}")
        return 0

    def _lists(self, folder: Path) -> bool:
        return self._several and folder == self._folder
