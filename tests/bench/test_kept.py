"""Results on disk: what is read is what was written, and what is no result is told in a line."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import result, system

from speechcli.bench import kept
from speechcli.bench.result import Result, Run, System
from speechcli.errors import DataError, NoInputError
from speechcli.scoring.rates import METRICS, Rate

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
AMOUNTS = st.integers(0, 10**9) | st.floats(0, 1e9).map(lambda amount: round(amount, 6))
MAYBE = st.none() | AMOUNTS
NAMED = st.sampled_from(tuple(METRICS))
RATES = st.builds(Rate, st.dictionaries(TEXTS, AMOUNTS, max_size=3).map(lambda d: tuple(d.items())), AMOUNTS)
RUNS = st.builds(
    Run,
    recording=TEXTS,
    duration=AMOUNTS,
    seconds=MAYBE,
    cpu=MAYBE,
    first=MAYBE,
    scores=st.dictionaries(NAMED, RATES, max_size=3),
    text=TEXTS,
    reference=TEXTS,
    error=TEXTS,
    lacking=st.dictionaries(NAMED, TEXTS, max_size=2),
    distances=st.lists(st.integers(-9999, 9999), max_size=4).map(tuple),
)
SYSTEMS = st.builds(
    System,
    name=TEXTS,
    runs=st.lists(RUNS, max_size=3, unique_by=lambda run: run.recording).map(tuple),
    model=TEXTS,
    revision=TEXTS,
    settings=st.dictionaries(TEXTS, TEXTS, max_size=2).map(lambda d: tuple(d.items())),
    device=TEXTS,
    load=MAYBE,
    warm_up=MAYBE,
    memory=st.none() | st.integers(0, 1 << 50),
    device_memory=st.none() | st.integers(0, 1 << 50),
    energy=MAYBE,
    error=TEXTS,
    notes=st.lists(TEXTS, max_size=2).map(tuple),
)
RESULTS = st.builds(
    Result,
    systems=st.lists(SYSTEMS, max_size=3, unique_by=lambda system: system.name).map(tuple),
    metrics=st.lists(NAMED, unique=True).map(tuple),
    normalizer=st.sampled_from(("english", "basic", "none")),
    collar=AMOUNTS,
    tcp_collar=AMOUNTS,
    made=TEXTS,
    machine=st.dictionaries(TEXTS, TEXTS, max_size=3),
    complete=st.booleans(),
)
RESULT = result(system("a", [3, 4, 5]), system("b", [1, 2, 3], speed=None, notes=("made elsewhere",)))


def written(value: Result) -> str:
    return "".join(kept.document(value))


@settings(max_examples=50, deadline=None)
@given(RESULTS)
def test_what_was_written_is_read_again_and_is_as_its_schema_says(value: Result):
    text = written(value)

    assert kept.parsed(text, "old.json") == value
    jsonschema.Draft202012Validator(kept.schema()).validate(json.loads(text))


def test_totals_are_written_for_scripts_and_made_anew_from_the_counts(tmp_path: Path):
    data = json.loads(written(RESULT))
    assert data["systems"][0]["scores"]["wer"] == {
        "parts": {"substituted": 12, "deleted": 0, "inserted": 0},
        "length": 300,
        "rate": 0.04,
    }
    assert data["systems"][0]["rtfx"] == 10.0

    data["systems"][0]["scores"]["wer"]["rate"] = 0.99  # somebody's hand
    data["future"] = [1]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(data))

    assert kept.read(path) == RESULT


def test_half_a_letter_of_a_file_name_is_written_as_utf_8():
    odd = replace(RESULT, machine={"pro\udcff": "\ud800"})

    text = written(odd)

    assert json.loads(text.encode("utf-8"))["machine"] == {"pro\ufffd": "\ufffd"}


def test_a_number_that_json_has_not_is_not_written():
    with pytest.raises(ValueError):
        written(replace(RESULT, collar=float("nan")))


def changed(where: list, value: object) -> str:
    data = json.loads(written(RESULT))
    place = data
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return json.dumps(data)


RUN = ["systems", 0, "runs", 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (written(RESULT)[:400], r"old\.json, line \d+: no JSON .*was it cut short"),
        ("", "old.json, line 1: no JSON"),
        ("[]", "old.json is no result of a benchmark; speechcli bench --json FILE writes one"),
        ('{"schema": "speechcli/1"}', "old.json is a transcript, no result of a benchmark"),
        ('{"schema": 1}', "no result of a benchmark"),
        ("[" * 100_000, "old.json is no result of a benchmark"),
        (changed(["schema"], "speechcli-bench/2"), r"of another speechcli \(speechcli-bench/2, this one reads"),
        (changed(["collar_seconds"], float("nan")), "NaN is no number"),
        (changed(["collar_seconds"], -1), "no amount: -1"),
        (changed(["collar_seconds"], True), "no amount: True"),
        (changed(["collar_seconds"], 10**400), "no amount: 1000"),
        (changed(["complete"], "yes"), "neither true nor false: 'yes'"),
        (changed(["normalizer"], "mine"), "'mine' is none of english, basic, none"),
        (changed(["metrics"], ["wer", "bleu"]), "an unknown metric 'bleu'"),
        (changed(["systems"], {}), "no list"),
        (changed(["systems", 0], 3), "no object: 3"),
        (changed(["systems", 0, "name"], "b"), "two times the system 'b'"),
        (changed(["systems", 0, "memory_bytes"], 1.5), "no whole number: 1.5"),
        (changed([*RUN, "recording"], "01.wav"), "two times the recording '01.wav'"),
        (changed([*RUN, "duration"], "60"), "no amount: '60'"),
        (changed([*RUN, "scores", "wer", "parts"], [1]), "no object"),
        (changed([*RUN, "distances_ms"], [0.5]), "no whole number"),
        (json.dumps({k: v for k, v in json.loads(written(RESULT)).items() if k != "machine"}), "no 'machine'"),
    ],
)
def test_what_is_no_result_is_told_in_one_line(text: str, told: str, tmp_path: Path):
    path = tmp_path / "old.json"
    path.write_text(text)

    with pytest.raises(DataError, match=told) as failed:
        kept.read(path)
    assert "\n" not in str(failed.value)
    assert len(str(failed.value)) < 400


def test_every_torn_file_is_told():
    text = written(RESULT).rstrip()

    for end in range(0, len(text), 7):
        with pytest.raises(DataError):
            kept.parsed(text[:end], "old.json")


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(NoInputError, match=r"old\.json is not there"):
        kept.read(tmp_path / "old.json")
    (tmp_path / "sound.json").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(DataError, match="no text file"):
        kept.read(tmp_path / "sound.json")
