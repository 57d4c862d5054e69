"""Our JSON: everything comes back, scripts for whisperX work, other tools' files are understood."""

import base64
import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given, settings
from made_transcripts import TALK, TRANSCRIPTS

from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.errors import DataError
from speechcli.formats import jsondoc


def written(transcript: Transcript) -> str:
    return "".join(jsondoc.document(transcript))


def parsed(data: object) -> Transcript:
    return jsondoc.read(json.dumps(data), "a.json")


@given(TRANSCRIPTS)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back_exactly(transcript: Transcript) -> None:
    assert jsondoc.read(written(transcript), "a.json") == transcript


@given(TRANSCRIPTS)
@settings(max_examples=30, deadline=None)
def test_what_is_written_satisfies_the_schema(transcript: Transcript) -> None:
    jsonschema.Draft202012Validator(jsondoc.schema()).validate(json.loads(written(transcript)))


def test_the_schema_is_one_and_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(jsondoc.schema())

    broken = json.loads(written(TALK))
    del broken["segments"][0]["words"][0]["end"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, jsondoc.schema())


def test_it_is_a_superset_of_whisperx() -> None:
    data = json.loads(written(TALK))

    assert {"segments", "word_segments", "language"} <= data.keys()
    for segment in data["segments"]:
        assert {"start", "end", "text", "words", "speaker"} <= segment.keys()
        assert segment["text"] == segment["text"].strip()
    assert data["word_segments"] == [word for segment in data["segments"] for word in segment["words"]]
    assert all(isinstance(w["start"], float) and isinstance(w["end"], float) for w in data["word_segments"])


def test_blanks_are_written_only_where_they_cannot_be_told() -> None:
    words = (Word(0, 1, "Odd"), Word(1, 2, " blanks"))
    text = written(Transcript("a", 2.0, (Segment(0, 2, "Odd blanks", words),)))

    assert json.loads(text)["word_segments"] == [
        {"word": "Odd", "start": 0.0, "end": 1.0, "text": "Odd"},
        {"word": "blanks", "start": 1.0, "end": 2.0},
    ]


def test_a_name_that_is_no_utf8_keeps_its_bytes() -> None:
    text = written(replace(TALK, source="bad\udcff.wav"))

    text.encode()
    provenance = json.loads(text)["provenance"]
    assert provenance["source"] == "bad\ufffd.wav"
    assert base64.b64decode(provenance["source_bytes"]) == b"bad\xff.wav"


def test_half_a_surrogate_pair_is_replaced() -> None:
    text = written(Transcript("a", 1.0, (Segment(0, 1, "x\ud800y"),)))

    assert json.loads(text)["segments"][0]["text"] == "x\ufffdy"


def test_a_spelling_put_right_by_hand_keeps_the_times() -> None:
    text = written(TALK).replace('"text": "Well, I know."', '"text": "Well, I knew."')

    assert [w.text for w in jsondoc.read(text, "a.json").segments[0].words] == [" Well,", " I", " knew."]


def test_a_text_rewritten_by_hand_loses_its_words() -> None:
    text = written(TALK).replace('"text": "Well, I know."', '"text": "No idea."')
    segment = jsondoc.read(text, "a.json").segments[0]

    assert (segment.text, segment.words) == ("No idea.", ())


@pytest.mark.parametrize(
    "data",
    [
        {  # openai/whisper
            "text": " Hello there.",
            "language": "en",
            "segments": [
                {
                    "id": 0, "seek": 0, "start": 0.5, "end": 1.5, "text": " Hello there.", "tokens": [1],
                    "avg_logprob": -0.2,
                    "words": [
                        {"word": " Hello", "start": 0.5, "end": 1.0, "probability": 0.9},
                        {"word": " there.", "start": 1.0, "end": 1.5, "probability": 0.8},
                    ],
                }
            ],
        },
        {  # whisper-timestamped
            "language": "English",
            "segments": [
                {
                    "start": 0.5, "end": 1.5, "text": "Hello there.", "avg_logprob": -0.2,
                    "words": [
                        {"text": "Hello", "start": 0.5, "end": 1.0, "confidence": 0.9},
                        {"text": "there.", "start": 1.0, "end": 1.5, "confidence": 0.8},
                    ],
                }
            ],
        },
    ],
)  # fmt: skip
def test_whisper_and_its_kin(data: object) -> None:
    read = parsed(data)

    assert read.language == "en"
    assert read.segments == (
        Segment(
            0.5,
            1.5,
            "Hello there.",
            (Word(0.5, 1.0, " Hello", 0.9), Word(1.0, 1.5, " there.", 0.8)),
            avg_logprob=-0.2,
        ),
    )


def test_whisperx_words_without_times_get_them() -> None:
    words = [
        {"word": "In", "start": 0.0, "end": 0.4, "score": 0.7},
        {"word": "1999,"},
        {"word": "so", "start": 1.0, "end": 1.2},
    ]
    segment = {"start": 0.0, "end": 2.0, "text": " In 1999, so", "speaker": "SPEAKER_01", "words": words}
    (read,) = parsed({"segments": [segment], "word_segments": words, "language": "en"}).segments

    assert read.speaker == "SPEAKER_01"
    assert read.words[1] == Word(0.4, 1.0, " 1999,", placed="interpolated")


@pytest.mark.parametrize(
    ("data", "segment"),
    [
        (
            {"result": {"language": "en"}, "transcription": [{"offsets": {"from": 0, "to": 1500}, "text": " Hi."}]},
            Segment(0.0, 1.5, "Hi."),
        ),
        ({"text": "Hi.", "chunks": [{"timestamp": [0.0, None], "text": " Hi."}]}, Segment(0.0, 0.0, "Hi.")),
        (
            [{"session_id": "s", "speaker": "A", "start_time": 0.0, "end_time": "1.5", "words": "Hi."}],
            Segment(0.0, 1.5, "Hi.", speaker="A"),
        ),
        ([{"Start": 0.0, "End": 1.5, "Speaker": 0, "Content": "Hi."}], Segment(0.0, 1.5, "Hi.", speaker="SPEAKER_00")),
        (
            {"duration": 9.0, "segments": [{"id": "seg_001", "start": 0, "end": 1.5, "text": "Hi.", "speaker": "A"}]},
            Segment(0.0, 1.5, "Hi.", speaker="A"),
        ),
    ],
    ids=["whisper.cpp", "insanely-fast-whisper", "seglst", "vibevoice", "diarized_json"],
)  # fmt: skip
def test_other_tools(data: object, segment: Segment) -> None:
    assert parsed(data).segments == (segment,)


def test_a_list_of_words_with_their_times_is_read_speaker_by_speaker() -> None:
    rows = [
        {"word": "Hi", "start": 0.0, "end": 0.5, "speaker": "A"},
        {"word": "Hm.", "start": 0.4, "end": 0.6, "speaker": "B"},
        {"word": "Ben.", "start": 0.6, "end": 1.0, "speaker": "A"},
    ]

    told = [(s.speaker, s.text, [(w.start, w.end) for w in s.words]) for s in parsed(rows).segments]

    assert told == [("A", "Hi Ben.", [(0.0, 0.5), (0.6, 1.0)]), ("B", "Hm.", [(0.4, 0.6)])]


def test_pyannote_gives_turns() -> None:
    assert parsed({"diarization": [{"start": 1, "end": 2.5, "speaker": "A"}]}).turns == (Turn(1.0, 2.5, "A"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"schema": "speechcli/1",\n"text": "cut sh', "a.json, line 2: no JSON"),
        ('{"schema": "speechcli/9"}', "newer speechcli"),
        ('{"schema": "speechcli/1"}', "no 'quality'"),
        ('{"hello": 1}', "of a kind we do not know"),
        ("[" * 100_000, "a.json"),
        ("3", "of a kind we do not know"),
        ('{"segments": [{"start": NaN, "end": 1, "text": "x"}]}', "nan is no number"),
        ('{"segments": [{"start": [], "end": 1, "text": "x"}]}', "[] is no number"),
        ('{"segments": [3]}', "a.json"),
        ("1" * 5000, "a.json"),
    ],
)  # fmt: skip
def test_what_is_no_transcript_is_refused_in_a_sentence(text: str, told: str) -> None:
    with pytest.raises(DataError, match=r"a\.json") as caught:
        jsondoc.read(text, "a.json")

    assert told in str(caught.value)


def test_a_file_cut_anywhere_is_refused_and_never_raises_anything_else() -> None:
    text = written(TALK)

    for cut in range(0, len(text) - 2, 7):
        with pytest.raises(DataError):
            jsondoc.read(text[:cut], "a.json")
