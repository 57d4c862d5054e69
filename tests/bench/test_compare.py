"""Two results of different days: a verdict where the interval bears it, and none where it does not."""

from dataclasses import replace

import pytest
from made_results import MACHINE, result, system, words

from speechcli.bench import meters
from speechcli.bench.compare import Comparison, compare
from speechcli.bench.result import Result, System
from speechcli.errors import FAILED, OK, DataError

TWELVE = [3, 5, 2, 8, 4, 6, 3, 9, 5, 4, 7, 2]


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {line.what: line.verdict for line in comparison.lines}


def against(old: System, new: System) -> Comparison:
    return compare(result(old), result(new))


def test_the_same_run_again_is_the_same():
    same = against(system("a", TWELVE), system("a", TWELVE))

    assert verdicts(same) == {"WER": "same", "speed": "same"}
    assert (same.verdict, same.exit_code) == ("same", OK)
    assert same.text[0] == "a: WER 4.8 % -> 4.8 %: same (the same errors in 12 recordings)"


def test_worse_in_every_recording_is_worse_and_fails():
    worse = against(system("a", TWELVE), system("a", [n + 3 for n in TWELVE]))

    assert verdicts(worse)["WER"] == "worse"
    assert worse.exit_code == FAILED
    assert worse.text[0] == "a: WER 4.8 % -> 7.8 %: worse (+3.0 points, 95 % interval +3.0 to +3.0)"
    assert worse.text[-1] == "compared with before: worse in 1 of 2"


def test_better_is_told_and_does_not_fail():
    better = against(system("a", [n + 3 for n in TWELVE]), system("a", TWELVE))

    assert (better.verdict, better.exit_code) == ("better", OK)


def test_a_difference_within_the_interval_is_none():
    """Two words more over all, up here and down there."""
    shaken = [n + d for n, d in zip(TWELVE, [2, -2, 1, -1, 2, -2, 1, -1, 2, -2, 1, 1], strict=True)]

    found = against(system("a", TWELVE), system("a", shaken))

    line = next(line for line in found.lines if line.what == "WER")
    assert line.judged.interval is not None
    assert line.judged.interval.low < 0 < line.judged.interval.high
    assert (line.verdict, found.exit_code) == ("same", OK)


def test_recordings_are_paired_each_with_itself():
    """Hard and easy ones lie far apart; that each is a little worse shows only when they are compared one by one."""
    spread = [1, 40, 3, 60, 5, 30, 2, 50, 4, 45, 1, 70]

    found = against(system("a", spread), system("a", [n + 1 for n in spread]))

    assert verdicts(found)["WER"] == "worse"


@pytest.mark.parametrize(("count", "verdict"), [(1, "unknown"), (2, "unknown"), (3, "worse")])
def test_of_one_or_two_recordings_nothing_can_be_told(count: int, verdict: str):
    found = against(system("a", [5] * count), system("a", [9] * count))

    assert verdicts(found)["WER"] == verdict
    assert found.exit_code == (FAILED if verdict == "worse" else OK)
    if verdict == "unknown":
        assert "cannot tell" in found.text[0]
    else:
        assert "only 3 recordings" in found.text[0]


def test_one_recording_with_the_same_errors_is_the_same():
    assert verdicts(against(system("a", [5]), system("a", [5])))["WER"] == "same"


@pytest.mark.parametrize(
    ("speed", "verdict"), [(10.0, "same"), (8.7, "same"), (11.5, "same"), (8.0, "worse"), (13.0, "better")]
)
def test_speed_is_judged_beyond_noise(speed: float, verdict: str):
    found = against(system("a", TWELVE), system("a", TWELVE, speed=speed))

    assert verdicts(found)["speed"] == verdict
    assert found.exit_code == (FAILED if verdict == "worse" else OK)


def test_speed_of_one_recording_is_judged_beyond_more_noise():
    def of(speed: float) -> str:
        return verdicts(against(system("a", [5]), system("a", [5], speed=speed)))["speed"]

    assert [of(10 / 1.3), of(10 / 1.5), of(15.0)] == ["unknown", "worse", "better"]


def test_one_slow_recording_of_twelve_is_no_slower_system():
    old, new = system("a", TWELVE), system("a", TWELVE)
    runs = (replace(new.runs[0], seconds=40.0), *new.runs[1:])

    found = against(old, replace(new, runs=runs))

    assert verdicts(found)["speed"] == "same"


def test_on_another_machine_speed_and_memory_are_not_judged():
    old = result(system("a", TWELVE, memory=10**9))
    new = result(system("a", TWELVE, speed=1.0, memory=9 * 10**9), machine={**MACHINE, "processor": "Pentium"})

    found = compare(old, new)

    assert verdicts(found) == {"WER": "same"}
    assert found.exit_code == OK
    assert "speed and memory are not judged: another machine (processor: Zen before, Pentium now)" in found.notes
    other_python = result(system("a", TWELVE, speed=1.0), machine={**MACHINE, "python": "3.14"})
    assert verdicts(compare(old, other_python))["speed"] == "worse"


def test_memory_is_judged_with_a_tenth_to_spare():
    def of(now: int) -> str:
        return verdicts(against(system("a", TWELVE, memory=1000 * 10**6), system("a", TWELVE, memory=now * 10**6)))[
            "memory"
        ]

    assert [of(1090), of(1110), of(800)] == ["same", "worse", "better"]


def test_the_time_to_the_first_words_is_judged():
    old, new = system("a", TWELVE), system("a", TWELVE)
    slow = replace(new, runs=tuple(replace(run, first=2.0) for run in new.runs))
    quick = replace(old, runs=tuple(replace(run, first=1.0) for run in old.runs))

    assert verdicts(against(quick, slow))["first words after"] == "worse"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"normalizer": "basic"}, {}, "normalizer basic, this one with english; run it with --normalizer basic"),
        ({"metrics": ("der",)}, {"metrics": ("der",), "collar": 0.0}, r"collar of 0.25 s, this one with 0 s \(der\)"),
        ({"metrics": ("tcpwer",)}, {"metrics": ("tcpwer",), "tcp_collar": 1.0}, "run it with --tcp-collar 5"),
        ({"systems": (system("b", [1]),) * 1 + (system("c", [1]),)}, {}, "no system in common: b, c before, a now"),
        ({"systems": (system("a", []),)}, {}, "no recording in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(old: dict, new: dict, told: str):
    base: Result = result(system("a", TWELVE))
    with pytest.raises(DataError, match=told):
        compare(replace(base, **old), replace(base, **new))


def test_another_collar_is_no_matter_where_nobody_scores_speakers():
    assert compare(result(system("a", TWELVE)), result(system("a", TWELVE), collar=0.0)).exit_code == OK


def test_the_only_systems_belong_together_whatever_they_are_called():
    found = against(system("tiny", TWELVE), system("turbo", TWELVE))

    assert verdicts(found)["WER"] == "same"
    assert found.notes == ("turbo is compared with tiny, the only one there was",)


def test_systems_are_paired_by_name_and_the_others_told():
    old = result(system("a", TWELVE), system("gone", TWELVE))
    new = result(system("new", TWELVE), system("a", TWELVE))

    found = compare(old, new)

    assert {line.system for line in found.lines} == {"a"}
    assert found.notes == ("new was not there before", "gone is not there any more")


def test_another_reference_is_told_and_left_out():
    """The one recording whose reference has grown would make all of it worse."""
    old, new = system("a", TWELVE), system("a", TWELVE)
    changed = replace(new.runs[0], scores={"wer": words(90, 105)})

    found = against(old, replace(new, runs=(changed, *new.runs[1:])))

    assert verdicts(found)["WER"] == "same"
    assert found.lines[0].judged.recordings == 11
    assert found.notes == ("a: WER: another reference for 00.wav, left out (00.wav: 100 before, 105 now)",)


def test_another_text_of_the_same_length_is_another_reference():
    old, new = system("a", TWELVE), system("a", TWELVE)
    changed = replace(new.runs[0], reference="one two")

    found = against(old, replace(new, runs=(changed, *new.runs[1:])))

    assert "another reference for 00.wav" in found.notes[0]


def test_another_recording_of_the_same_name_is_left_out():
    old, new = system("a", TWELVE), system("a", TWELVE)
    longer = replace(new.runs[3], duration=61.0, scores={"wer": words(99)})

    found = against(old, replace(new, runs=(*new.runs[:3], longer, *new.runs[4:])))

    assert verdicts(found)["WER"] == "same"
    assert "a: 03.wav: another recording of the same name, left out" in found.notes


def test_recordings_that_only_one_has_are_told():
    found = against(system("a", TWELVE), system("a", TWELVE[:10]))

    assert "a: not run any more: 10.wav, 11.wav" in found.notes
    assert found.lines[0].judged.recordings == 10


def test_a_transcript_that_is_lost_is_worse():
    old, new = system("a", TWELVE), system("a", TWELVE)
    lost = replace(new.runs[0], error="out of memory", scores={}, seconds=None)

    found = against(old, replace(new, runs=(lost, *new.runs[1:])))

    assert found.text[0] == "a: transcripts 12 of 12 -> 11 of 12: worse (no transcript any more: 00.wav)"
    assert found.exit_code == FAILED
    assert against(replace(new, runs=(lost, *new.runs[1:])), old).verdict == "better"


def test_a_system_that_cannot_be_run_any_more_is_worse():
    found = against(system("a", TWELVE), System("a", (), error="no such model"))

    assert found.exit_code == FAILED
    assert "could not be run: worse (no such model)" in found.text[0]


def test_what_only_one_of_them_scored_is_told():
    new = system("a", TWELVE)
    bare = replace(new, runs=tuple(replace(run, scores={}) for run in new.runs))

    assert "a: WER is in one of the results only" in against(system("a", TWELVE), bare).notes


def test_one_that_died_half_way_is_judged_by_what_it_gave():
    old = system("a", TWELVE)
    lost = tuple(replace(run, error="killed", scores={}, seconds=None) for run in old.runs[6:])

    found = against(old, replace(old, runs=(*old.runs[:6], *lost), error="its process was killed"))

    assert found.text[0].startswith("a: transcripts 12 of 12 -> 6 of 12: worse")


def test_beside_other_programs_a_run_must_be_slower_by_more_to_be_worse():
    old = system("a", TWELVE)
    slow = replace(old, runs=tuple(replace(run, seconds=1.3 * (run.seconds or 0)) for run in old.runs))
    disturbed = replace(slow, notes=(meters.others(10.0, 18.0, 10.0, 2),))

    assert against(old, slow).verdict == "worse"
    found = against(old, disturbed)
    assert found.verdict == "same"
    assert any("up to 1.44 is noise, other programs being at work" in line for line in found.text)


def test_wall_time_beside_other_programs_is_no_verdict_without_processor_time():
    def run(seconds: float, cpu: float, *notes: str) -> System:
        made = system("a", TWELVE)
        return replace(made, runs=tuple(replace(one, seconds=seconds, cpu=cpu) for one in made.runs), notes=notes)

    note = meters.others(10.0, 18.0, 10.0, 2)

    waited = against(run(1.0, 1.0), run(2.5, 1.1, note))
    worked = against(run(1.0, 1.0), run(2.5, 2.5, note))

    assert verdicts(waited)["speed"] == "unknown"
    assert waited.exit_code == OK
    assert verdicts(worked)["speed"] == "worse"
