"""References are found by name or by what their lines say, put together, and never what speechcli wrote itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speechcli.core.span import Span
from speechcli.core.transcript import Segment, Stage, Transcript, Turn, Word
from speechcli.errors import DataError, NoInputError
from speechcli.formats import table
from speechcli.jobs import manifest
from speechcli.jobs.output import digest_of
from speechcli.scoring.references import Found, beside, folder, read

CASES = Path(__file__).parents[1] / "data" / "scoring"
STM = "talk 1 anna 0.0 2.0 <o,f0> good morning\ntalk 1 ben 2.0 4.0 hello, Anna\n"
RTTM = "SPEAKER talk 1 0.0 2.0 <NA> <NA> anna <NA> <NA>\nSPEAKER talk 1 2.0 2.0 <NA> <NA> ben <NA> <NA>\n"
CTM = "talk 1 0.1 0.5 good\ntalk 1 0.7 0.9 morning\ntalk 1 2.2 0.5 hello\ntalk 1 2.9 0.9 Anna\n"
SRT = "1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n\n2\n00:00:02,000 --> 00:00:04,000\nHello, Anna.\n"
VTT = "WEBVTT\n\n00:00.000 --> 00:02.000\n<v Anna>Good morning.\n\n00:02.000 --> 00:04.000\n<v Ben>Hello, Anna.\n"
TEXTGRID = """File type = "ooTextFile"\nObject class = "TextGrid"\n
0\n4\n<exists>\n1\n"IntervalTier"\n"anna - words"\n0\n4\n2\n0\n0.7\n"good"\n0.7\n4\n"morning"\n"""
TURNS = (Turn(0.0, 2.0, "anna"), Turn(2.0, 4.0, "ben"))


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A recording of four seconds, by name; what is beside it is up to the test."""
    path = tmp_path / "talk.wav"
    path.write_bytes(b"")
    return path


def put(audio: Path, **files: str) -> None:
    for suffix, text in files.items():
        audio.with_suffix(f".{suffix}").write_text(text)


def document(*stages: str) -> str:
    words = (Word(0.0, 1.0, " good"), Word(1.0, 2.0, " morning"))
    by = tuple(Stage(stage, "faster-whisper 1.2", "tiny.en") for stage in stages)
    segments = (Segment(0.0, 2.0, "good morning", words, "A"),)
    return "".join(table.pieces("json", Transcript("talk.wav", 4.0, segments, made_by=by)))


def test_a_recording_without_references_says_so(audio: Path) -> None:
    assert beside(audio) == Found()
    with pytest.raises(NoInputError, match=r"talk.wav has no reference"):
        read(beside(audio), "talk.wav")


@pytest.mark.parametrize(
    ("suffix", "text", "said"),
    [
        ("txt", "Good morning.\n\nHello, Anna.\n", "Good morning.\nHello, Anna."),
        ("txt", "[anna]: Good morning.\n[ben]: Hello.\n", "Good morning.\nHello."),
        ("txt", "ANNA: Good morning.\nBEN: Hello.\nANNA: Well: I know.\n", "Good morning.\nHello.\nWell: I know."),
        ("txt", SRT, "Good morning.\nHello, Anna."),
        ("stm", STM, "good morning\nhello, Anna"),
        ("ctm", CTM, "good morning\nhello Anna"),
        ("srt", SRT, "Good morning.\nHello, Anna."),
        ("vtt", VTT, "Good morning.\nHello, Anna."),
        ("TextGrid", TEXTGRID, "good morning"),
        ("json", document(), "good morning"),
        ("rttm", RTTM, None),
    ],
)
def test_text_is_read_from_every_format(audio: Path, suffix: str, text: str, said: str | None) -> None:
    put(audio, **{suffix: text})

    assert read(beside(audio), audio.name, 4.0).text == said


def test_files_of_one_recording_complement_each_other(audio: Path) -> None:
    put(audio, txt="Good morning. Hello, Anna.", rttm=RTTM, ctm=CTM, uem="talk 1 0 3.5\n")

    reference = read(beside(audio), audio.name, 4.0)

    assert {path.name for path in reference.files} == {"talk.txt", "talk.rttm", "talk.ctm", "talk.uem"}
    assert reference.text == "Good morning. Hello, Anna."
    assert reference.turns == TURNS
    assert [word.text.strip() for word in reference.words or ()] == ["good", "morning", "hello", "Anna"]
    assert reference.uem == (Span(0.0, 3.5),)
    assert reference.notes == ()


def test_an_stm_alone_gives_text_speakers_and_turns(audio: Path) -> None:
    put(audio, stm=STM)

    reference = read(beside(audio), audio.name, 4.0)

    assert [(s.start, s.end, s.speaker, s.text) for s in reference.segments or ()] == [
        (0.0, 2.0, "anna", "good morning"),
        (2.0, 4.0, "ben", "hello, Anna"),
    ]
    assert reference.turns == TURNS
    assert reference.words is None


def test_turns_that_touch_stay_two_for_the_collar_is_around_each(audio: Path) -> None:
    put(audio, rttm=RTTM.replace("ben", "anna"))

    assert read(beside(audio), audio.name).turns == (Turn(0.0, 2.0, "anna"), Turn(2.0, 4.0, "anna"))


def test_where_two_have_other_words_the_first_in_order_counts_and_a_note_says_so(audio: Path) -> None:
    put(audio, srt=SRT, txt="Good morning. Hello, Hanna.")

    reference = read(beside(audio), audio.name, 4.0)

    assert reference.text == "Good morning. Hello, Hanna."
    assert reference.segments is not None
    assert reference.notes == ("talk.srt has other words than talk.txt: those of talk.txt count",)


def test_segments_are_those_of_the_first_file_that_knows_all_speakers(audio: Path) -> None:
    put(audio, ctm=CTM, vtt=VTT)

    reference = read(beside(audio), audio.name, 4.0)

    assert [segment.speaker for segment in reference.segments or ()] == ["Anna", "Ben"]
    assert reference.turns == (Turn(0.0, 2.0, "Anna"), Turn(2.0, 4.0, "Ben"))
    assert reference.words is not None


def test_captions_that_say_the_same_in_other_case_are_no_reason_for_a_note(audio: Path) -> None:
    put(audio, srt=SRT, txt="good morning hello anna")

    assert read(beside(audio), audio.name, 4.0).notes == ()


def test_nist_conventions_of_an_stm_are_kept(audio: Path) -> None:
    put(
        audio,
        stm=";; CATEGORY 0\nTALK 1 inter_segment_gap 0 0.5 <o,,>\n"
        "TALK 1 a 0.5 1 <o,f0> ignore_time_segment_in_scoring\n"
        "TALK 1 a 1 3 <o,f0,m> we { going to / gonna } { uh / @ } go {@/um} home\n"
        "TALK 1 excluded_region 3 4 IGNORE_TIME_SEGMENT_IN_SCORING\n",
    )

    reference = read(beside(audio), audio.name, 4.0)

    assert reference.text == "we going to uh go home"
    assert reference.ignored == (Span(0.5, 1.0), Span(3.0, 4.0))
    assert reference.notes == ("talk.stm gives alternatives: the first of each is taken",)


@pytest.mark.parametrize("name", ["isgbug.stm", "overlap.stm", "basic.stm"])
def test_nists_own_files_are_read(name: str) -> None:
    held = [line.split()[0] for line in (CASES / "sctk" / name).read_text().splitlines() if line[:1] != ";"]

    reference = read(Found((CASES / "sctk" / name,)), f"{held[-1]}.wav")

    assert reference.text
    assert not any("calls its recording" in note for note in reference.notes)


def test_one_file_may_hold_the_references_of_many_recordings(tmp_path: Path) -> None:
    example = CASES / "meeteval"
    for name in ("ref.stm", "ref.rttm", "ref.seglst.json", "hyp1.ctm"):
        (tmp_path / name).write_text((example / name).read_text())
    place = folder(tmp_path)

    a, b = (place.of(Path(f"elsewhere/recording{x}.flac")) for x in "AB")

    assert {path.name for path in a.files} == {"ref.stm", "ref.rttm", "ref.seglst.json", "hyp1.ctm"}
    text = read(b, "recordingB.flac").text or ""
    assert text.startswith("Hop on the bandwagon")
    assert "Effort" not in text
    assert folder(tmp_path / "ref.stm").of(Path("recordingA.wav")).files == (tmp_path / "ref.stm",)
    assert place.of(Path("elsewhere/other.flac")) == Found()


def test_a_collection_complements_what_is_named_for_the_recording(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / "refs" / place).mkdir(parents=True)
        (tmp_path / "refs" / place / "talk.txt").write_text("Good morning. Hello, Anna.")
        (tmp_path / "refs" / place / "talk.uem").write_text("talk 1 0 4\n")
    (tmp_path / "refs" / "all.rttm").write_text(RTTM + RTTM.replace(" talk ", " other "))

    found = folder(tmp_path / "refs").of(tmp_path / "audio" / "a" / "talk.wav", tmp_path / "audio")

    assert [path.relative_to(tmp_path / "refs").as_posix() for path in found.files] == [
        "a/talk.txt",
        "a/talk.uem",
        "all.rttm",
    ]
    assert read(found, "talk.wav").turns == TURNS


def test_a_file_about_others_alone_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ref.stm is about recordinga, recordingb, and not about talk.wav"):
        read(Found((CASES / "meeteval" / "ref.stm",)), "talk.wav")


def test_a_file_named_for_the_recording_may_call_it_something_else(audio: Path) -> None:
    put(audio, rttm=RTTM.replace(" talk ", " meeting_7 "))

    reference = read(beside(audio), audio.name, 4.0)

    assert reference.turns == TURNS
    assert reference.notes == ("talk.rttm calls its recording meeting_7, not talk",)


def test_in_a_folder_the_same_place_comes_before_the_same_name(tmp_path: Path) -> None:
    audio = tmp_path / "audio"
    for place in ("a", "b", "c"):
        (tmp_path / "refs" / place).mkdir(parents=True)
    for place in ("a", "b"):
        (tmp_path / "refs" / place / "talk.txt").write_text(place)
    (tmp_path / "refs" / "c" / "other.ref.txt").write_text("c")
    place = folder(tmp_path / "refs")

    assert place.of(audio / "b" / "talk.wav", audio).files == (tmp_path / "refs" / "b" / "talk.txt",)
    assert place.of(audio / "other.wav").files == (tmp_path / "refs" / "c" / "other.ref.txt",)
    with pytest.raises(DataError, match="references in 2 places"):
        place.of(audio / "x" / "talk.wav", audio)


def test_a_folder_without_references_or_none_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="has no references"):
        folder(tmp_path)
    with pytest.raises(NoInputError, match="is not there"):
        folder(tmp_path / "refs")
    (tmp_path / "refs.doc").write_text("")
    with pytest.raises(DataError, match="no kind of reference"):
        folder(tmp_path / "refs.doc")


# --- what speechcli wrote ---


def test_a_transcript_of_speechcli_is_no_reference_wherever_it_lies(audio: Path) -> None:
    put(audio, json=document("transcribe", "align"))

    for found in (beside(audio), folder(audio.parent).of(audio)):
        assert found == Found((), ("talk.json is no reference: speechcli made it with tiny.en",))
    with pytest.raises(NoInputError) as error:
        read(beside(audio), audio.name)
    assert "speechcli made it with tiny.en" in error.value.hint


@pytest.mark.parametrize("stages", [(), ("align",), ("transcribe", "edit")], ids=["converted", "aligned", "edited"])
def test_a_document_of_words_that_somebody_wrote_is_a_reference(audio: Path, stages: tuple[str, ...]) -> None:
    put(audio, json=document(*stages))

    assert read(beside(audio), audio.name).text == "good morning"


def test_what_a_model_had_a_part_in_is_told_where_it_is_used_all_the_same(audio: Path) -> None:
    put(audio, json=document("transcribe", "edit"))
    edited = read(beside(audio), audio.name)
    put(audio, json=document("transcribe"))
    named = read(Found((audio.with_suffix(".json"),)), audio.name)

    assert edited.notes == ("talk.json was made with tiny.en and edited: what was left as it was counts as right",)
    assert named.notes == ("talk.json was made with tiny.en and is compared with all the same",)


def test_captions_that_the_manifest_lists_are_none_until_somebody_corrects_them(audio: Path) -> None:
    put(audio, srt=SRT, txt="Good morning. Hello, Anna.")
    srt = audio.with_suffix(".srt")
    book = manifest.load(audio.parent)
    book.announce(srt, manifest.Output("srt", digest_of(srt) or "", "rendering"))

    def ours(path: Path) -> bool:
        return book.output(path) is not None

    assert beside(audio, ours) == Found((audio.with_suffix(".txt"),), ("talk.srt is no reference: speechcli wrote it",))
    srt.write_text(SRT.replace("Anna", "Hanna"))
    assert len(beside(audio, ours).files) == 2


def test_the_json_of_whisper_itself_is_no_reference(audio: Path) -> None:
    rows = [{"id": 0, "start": 0.0, "end": 2.0, "text": " good", "avg_logprob": -0.2, "no_speech_prob": 0.01}]
    put(audio, json=json.dumps({"text": " good", "segments": rows, "language": "en"}))

    assert beside(audio).notes == ("talk.json is no reference: a model's own figures are in it",)


# --- bad input ---


def test_a_reference_that_goes_on_after_the_recording_is_another_ones(audio: Path) -> None:
    put(audio, stm=STM)

    assert read(beside(audio), audio.name, 3.1).text
    with pytest.raises(DataError, match=r"talk.stm goes on to 4.0 s and talk.wav ends at 2.5 s"):
        read(beside(audio), audio.name, 2.5)


def test_more_words_than_anybody_says_in_that_time_are_worth_a_note(audio: Path) -> None:
    put(audio, txt="word " * 33)

    assert read(beside(audio), audio.name, 4.5).notes == ()
    assert read(beside(audio), audio.name, 4.0).notes == ("33 words in 4 s of talk.wav: is this the right reference?",)


def test_an_empty_text_says_that_nobody_speaks_and_a_note_says_what_that_means(audio: Path) -> None:
    put(audio, txt=" \n")

    reference = read(beside(audio), audio.name)

    assert reference.text == ""
    assert reference.notes == ("talk.txt is empty: all words that were heard count as inserted",)


def test_a_broken_file_among_others_is_noted_and_alone_it_is_the_error(audio: Path) -> None:
    put(audio, txt="Good morning.", rttm="SPEAKER talk 1 zero 2.0 <NA> <NA> anna <NA> <NA>\n")

    reference = read(beside(audio), audio.name)
    assert reference.text == "Good morning."
    assert reference.turns is None
    assert reference.notes == ("talk.rttm is not used: talk.rttm, line 1: 'zero' is no time in seconds",)
    audio.with_suffix(".txt").unlink()
    with pytest.raises(DataError, match="'zero' is no time"):
        read(beside(audio), audio.name)


@pytest.mark.parametrize("raw", [b"\0\1\2\3", b"%PDF-1.7\nx", b"RIFF\x24\0\0\0WAVEfmt "], ids=["binary", "pdf", "wav"])
def test_what_is_no_text_is_refused(audio: Path, raw: bytes) -> None:
    audio.with_suffix(".txt").write_bytes(raw)

    with pytest.raises(DataError, match=r"talk.txt is no text file"):
        read(beside(audio), audio.name)


@pytest.mark.parametrize("line", ["talk 1 0\n", "talk 1 a 2\n"])
def test_a_broken_uem_names_its_line(audio: Path, line: str) -> None:
    put(audio, uem=f";; all\n{line}")

    with pytest.raises(DataError, match=r"talk.uem, line 2"):
        read(beside(audio), audio.name)


def test_no_broken_json_is_met_with_a_traceback(audio: Path) -> None:
    for text in ('{"schema": "speechcli/1"}', "[1, 2]", '[{"session_id": 1}]', "{", '[{"session_id": null}]'):
        put(audio, json=text)

        with pytest.raises(DataError, match=r"talk\.json"):
            read(beside(audio), audio.name)
