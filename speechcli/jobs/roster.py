"""Who is known in a batch: the same voice gets the same name in all its recordings.

Voices are compared by their prints, the likest first, each known voice once in a recording. A voice that is like none
gets the batch's next SPEAKER_nn. What a voice is called does not change any more: what is known is kept in one file, so
that a later run of the same batch goes on with it, and who is heard later is named after who was heard before.

Measured with community-1's prints on 16 recordings (conversations made of LibriSpeech and of TIMIT, some by telephone
or with noise; openings of AMI meetings; two people on the phone), speakers with 5 s of speech or more, pairs across
recordings. What the embedded diarizer found: of one person 0.66 to 0.99 (36 pairs, median 0.94: made conversations
share utterances), of two -0.13 to 0.47 (692). Against prints of the talk that the reference gives them: 0.33 to 0.99
(73; two below 0.5, in AMI's overlapping talk), -0.20 to 0.48 (1525). Below 5 s the same person is often unlike (AMI,
0.5 to 5 s: 0.08 to 0.68), and a pair of two reached 0.59: who says less than `ENOUGH` is not known again.

By prints of 12 s of 14 speakers of TIMIT and LibriSpeech, clean, with a telephone's band, with noise, each against each
(126 pairs of one person, 3276 of two): 0.5 leaves out none and takes 0.37 % for one, 0.55 leaves out 3.2 % (all clean
or noisy against telephone) and takes 0.18 %, 0.6 8.7 % and 0.06 %; clean against clean divides at anything from 0.44 to
0.82, as do 59 clips of strangers in ten languages (0.43 at most), while all by telephone two reach 0.67. Hence
`CAREFUL`: two people that are melted into one cannot be told apart any more, and the more are known the likelier that
is; one who is there twice can be given one name (`--speaker-names`).

Voice prints are biometric data. They lie in that one file, `.speechcli-voices.json` at the root of the outputs, which
only its owner can read and which is only written with `--link-speakers`; prints of `--enroll` are kept nowhere. Delete
the file and they are forgotten.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from speechcli.backends.base import Diarized, VoicePrinter
from speechcli.core.span import Seconds
from speechcli.core.transcript import Voice
from speechcli.core.turns import speaker_name
from speechcli.errors import DataError, from_os
from speechcli.jobs.job import Job
from speechcli.jobs.locks import lock, names
from speechcli.jobs.output import write_atomically
from speechcli.jobs.plan import top
from speechcli.timeline.speakers import Known, likenesses, matched

NAME = ".speechcli-voices.json"
CAREFUL = 0.05  # more likeness than within one recording, where few are known and the channel is the same
ENOUGH: Seconds = 2.0  # of speech to know a voice again by
_VERSION = 1
_FORGET = "delete it to begin anew; the names of recordings that are finished stay as they are"
_NOTE = "Voice prints are biometric data. speechcli keeps them in this file only; delete it to forget them."


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A voice with a name, of reference clips. seconds: of speech. print: of unit length."""

    name: str
    seconds: Seconds
    print: tuple[float, ...]


@dataclass(slots=True)
class _Person:
    """A voice of the batch. recordings: in which it was heard; print: the mean of there, empty where none was made."""

    name: str
    seconds: Seconds = 0.0
    recordings: list[str] = field(default_factory=list)
    print: tuple[float, ...] = ()

    @property
    def known(self) -> Known:
        return Known(self.name, self.print, self.seconds)

    def hear(self, voice: Voice | None, recording: str) -> bool:
        """Takes in what was heard of it in a recording, once; whether that was new."""
        if recording in self.recordings:
            return False
        if voice is not None:
            known = Known(self.name, tuple(self.seconds * x for x in self.print), self.seconds)
            known.hear(voice)
            self.print, self.seconds = _mean(known), known.seconds
        self.recordings.append(recording)
        return True


class Roster:
    """Names for the speakers of recordings: those enrolled, and the batch's.

    printer: made, or could have made, all prints. file: where the batch's voices are kept; None for recordings that are
    not linked: who is not enrolled keeps the recording's own label. Not for several threads at a time; several
    processes may share a file. Raises DataError for a file that is not ours: before anything is listened to.
    """

    def __init__(self, printer: VoicePrinter, enrolled: Sequence[Enrolled] = (), file: Path | None = None) -> None:
        self._name = printer.name
        self._alike = printer.alike + CAREFUL
        self._enrolled = [Known(one.name, one.print, one.seconds) for one in enrolled]
        self._file = file
        if file is not None:
            _read(file, printer.name)
        self._found: set[str] = set()

    @property
    def missed(self) -> tuple[str, ...]:
        """Who is enrolled and was found in no recording so far."""
        return tuple(one.label for one in self._enrolled if one.label not in self._found)

    def __call__(self, job: Job, diarized: Diarized) -> Diarized:
        """What was heard in the job's recording, its speakers under the names that they have elsewhere."""
        recording = os.path.relpath(job.root / job.entry, (self._file or job.root / NAME).parent)
        speakers = list(dict.fromkeys(turn.speaker for turn in diarized.turns))
        called = self.names(recording.replace(os.sep, "/"), speakers, diarized.voices)
        return replace(
            diarized,
            turns=tuple(replace(turn, speaker=called[turn.speaker]) for turn in diarized.turns),
            voices=tuple(replace(voice, speaker=called.get(voice.speaker, voice.speaker)) for voice in diarized.voices),
        )

    def names(self, recording: str, speakers: Sequence[str], voices: Sequence[Voice]) -> Mapping[str, str]:
        """A name for each of a recording's speakers; kept, where they are linked, when this returns.

        recording: what it is called in the file, always the same: it is taken in once. speakers: by first appearance,
        those too of whom too little was heard; these get names that nobody else gets. Raises DataError for a file that
        is not ours, DiskError, DeniedError, OutputError.
        """
        heard = [voice for voice in voices if voice.speaker in speakers and voice.seconds >= ENOUGH]
        found = matched(likenesses(heard, self._enrolled, self._alike), {})
        self._found |= set(found.values())
        if self._file is None:
            return {speaker: found.get(speaker, speaker) for speaker in speakers}
        with _held(self._file):
            people = _read(self._file, self._name)
            found, new = self._linked(recording, speakers, heard, found, people)
            if new:
                write_atomically(self._file, _document(people, self._name), private=True)
        return found

    def _linked(
        self,
        recording: str,
        speakers: Sequence[str],
        heard: Sequence[Voice],
        enrolled: Mapping[str, str],
        people: list[_Person],
    ) -> tuple[dict[str, str], bool]:
        """The names, and whether there is something new of `people`, which takes in what was heard."""
        voices = {voice.speaker: voice for voice in heard if voice.speaker not in enrolled}
        known = [one.known for one in people]
        found = matched(likenesses(voices.values(), known, self._alike), enrolled)
        silent = [one.name for one in people if not one.print and recording in one.recordings]
        for speaker in speakers:
            if speaker in found:
                continue
            if speaker not in voices and silent:
                found[speaker] = silent.pop(0)  # as when the recording was heard before
            else:
                people.append(_Person(speaker_name(len(people))))
                found[speaker] = people[-1].name
        by_name = {one.name: one for one in people}
        fresh = [
            by_name[name].hear(voices.get(speaker), recording) for speaker, name in found.items() if name in by_name
        ]
        return found, any(fresh)


def voices_file(jobs: Sequence[Job]) -> Path:
    """Where the voices of a batch are kept: at the root of its outputs, above all of them where there are several.

    Raises UsageError where there is none.
    """
    return top(jobs) / NAME


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """The file's lock; one that is not there is made, empty. Where there are no such locks, nothing is held."""
    if os.name != "posix":
        yield
        return
    handle = -1
    try:
        while handle < 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            lock(handle, wait=True)
            if not names(path, handle):  # somebody has written a new one
                os.close(handle)
                handle = -1
    except OSError as error:
        raise from_os(error, f"opening {path}") from error
    try:
        yield
    finally:
        os.close(handle)


def _read(path: Path, printer: str) -> list[_Person]:
    """The people of a file, whose prints are the printer's; of none, or an empty one, nobody."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_os(error, f"reading {path}") from error
    if not data:
        return []
    try:
        document = json.loads(data)
        version, made_by = document["speechcli_voices"], document["printer"]
        if version == _VERSION and made_by == printer:
            return [_person(i, value) for i, value in enumerate(document["speakers"])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is damaged, or no file of voices that speechcli wrote", _FORGET) from error
    if version != _VERSION:
        raise DataError(f"{path} was written by another version of speechcli", _FORGET)
    raise DataError(f"{path} holds prints by {made_by}, which cannot be compared with those by {printer}", _FORGET)


def _person(number: int, value: Mapping[str, Any]) -> _Person:
    """Raises ValueError, TypeError, KeyError for what we would not have written."""
    print_, recordings, seconds = value["print"], value["recordings"], value["seconds"]
    sound = isinstance(recordings, list) and all(isinstance(name, str) for name in recordings)
    if not sound or value["name"] != speaker_name(number) or not all(map(math.isfinite, [seconds, *print_])):
        raise ValueError(number)
    return _Person(value["name"], float(seconds), recordings, tuple(map(float, print_)))


def _document(people: Sequence[_Person], printer: str) -> Iterator[str]:
    """One JSON object, a line for each person."""
    head = {"speechcli_voices": _VERSION, "note": _NOTE, "printer": printer}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "speakers": [\n'
    for i, one in enumerate(people):
        seconds, print_ = round(one.seconds, 3), [round(x, 5) for x in one.print]
        value = {**asdict(one), "seconds": seconds, "print": print_}
        yield json.dumps(value, ensure_ascii=False, allow_nan=False) + (",\n" if i + 1 < len(people) else "\n")
    yield "]}\n"


def _mean(known: Known) -> tuple[float, ...]:
    return tuple(x / known.seconds for x in known.sum) if known.seconds else known.sum
