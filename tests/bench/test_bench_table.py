"""A result as rows: for the terminal, and for spreadsheets."""

import csv
import io
from dataclasses import replace

from made_results import result, system, words

from speechcli.bench import csv_rows
from speechcli.bench.result import Run, System
from speechcli.bench.table import Table, table
from speechcli.scoring import intervals

TWELVE = [3, 5, 2, 8, 4, 6, 3, 9, 5, 4, 7, 2]


def column(shown: Table, name: str) -> list[str]:
    place = [column.name for column in shown.columns].index(name)
    return [row[place].marked for row in shown.rows]


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_a_system_and_only_columns_that_somebody_has():
    shown = table(result(system("a", TWELVE), system("b", [2 * n for n in TWELVE], speed=40.0, load=1.0)))

    assert [column.name for column in shown.columns] == ["system", "WER %", "RTFx", "an hour", "load"]
    assert column(shown, "system") == ["a", "b"]
    assert column(shown, "RTFx") == ["10", "40 *"]
    assert column(shown, "an hour") == ["6 min", "1 min 30 s *"]
    assert column(shown, "load") == ["", "1.0 s"]


def test_the_interval_stands_behind_the_rate():
    low, high = intervals.interval([words(n) for n in TWELVE])  # type: ignore[misc]

    cell = column(table(result(system("a", TWELVE))), "WER %")[0]

    assert cell == f"4.8 ({100 * low:.1f}–{100 * high:.1f})"
    assert column(table(result(system("a", [3, 5]))), "WER %") == ["4.0"]  # too few for an interval


def test_the_best_is_marked_and_a_tie_is_marked_twice():
    shown = table(result(system("a", [3]), system("b", [3]), system("c", [4])))

    assert column(shown, "WER %") == ["3.0 *", "3.0 *", "4.0"]
    assert column(shown, "RTFx") == ["10", "10", "10"]  # nothing to choose


def test_memory_gpu_energy_edges_and_first_words():
    run = Run("x.wav", 1800.0, seconds=60.0, first=2.5, distances=(-40, 10, 30), scores={"boundary": words(80, 3)})
    one = System("a", (run,), memory=734_000_000, device_memory=12 * 10**9, energy=36_000.0)

    shown = table(result(one))

    assert {c.name: cell.text for c, cell in zip(shown.columns, shown.rows[0], strict=True)} == {
        "system": "a",
        "edges ms": "30",
        "RTFx": "30",
        "an hour": "2 min",
        "first words": "2.5 s",
        "memory": "734 MB",
        "GPU memory": "12.0 GB",
        "Wh/h": "20",
    }


def test_notes_say_what_is_timed_what_failed_and_what_could_not_be_scored():
    old = system("a", [3, 4, 5], notes=("no energy: no NVML",))
    runs = (
        replace(old.runs[0], error="out of memory", scores={}),
        *(replace(run, lacking={"der": "no speakers"}) for run in old.runs[1:]),
    )
    notes = table(result(replace(old, runs=runs), System("b", (), error="no such model"), complete=False)).notes

    assert notes[0] == "the benchmark was broken off: these are its results until then"
    assert "timed is wall time from opening the file to the finished transcript" in notes[1]
    assert "normalizer english; fewer than 3 recordings give no interval" in notes
    assert "a: no transcript of 1 recording of 3" in notes
    assert "a: 00.wav: out of memory" in notes
    assert "a: no energy: no NVML" in notes
    assert "a: no DER of 2 recordings: no speakers" in notes
    assert "b could not be run: no such model" in notes


def test_an_empty_result_is_an_empty_table():
    assert table(result()).rows == ()


def test_csv_has_a_row_for_each_recording_and_one_for_all():
    rows = parsed("".join(csv_rows.rows(result(system("a", TWELVE, memory=10**9), system("b", TWELVE, speed=None)))))

    assert [row["scope"] for row in rows] == [*["recording"] * 12, "all"] * 2
    assert rows[0]["recording"] == "00.wav"
    assert rows[0]["wer_percent"] == "3.0"
    assert rows[0]["wer_substituted_words"] == "3"
    assert rows[0]["wer_of_words"] == "100"
    assert rows[0]["wall_s"] == "6.0"
    whole = rows[12]
    assert whole["wer_percent"] == "4.833333333"
    assert float(whole["wer_percent_low"]) < float(whole["wer_percent"]) < float(whole["wer_percent_high"])
    assert (whole["rtfx"], whole["memory_bytes"], whole["duration_s"]) == ("10.0", "1000000000", "720.0")
    assert rows[13]["wall_s"] == rows[13]["rtfx"] == ""


def test_csv_is_rfc_4180_whatever_names_hold():
    odd = replace(system('say "hi", twice', [1]), notes=("two\nlines",))

    text = "".join(csv_rows.rows(result(odd)))

    assert text.count("\r\n") == 3
    assert text.replace("\r\n", "").find("\n") == -1
    rows = parsed(text)
    assert rows[0]["system"] == 'say "hi", twice'
    assert rows[1]["notes"] == "two lines"


def test_a_name_is_no_formula():
    runs = tuple(Run(name, 1.0) for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", " =1", "1-2.wav"))

    rows = parsed("".join(csv_rows.rows(result(System("a", runs)))))

    assert [row["recording"] for row in rows[:7]] == [
        "'=cmd|' /C calc'!A0",
        "'+1",
        "'-1",
        "'@x",
        "'=1",
        "'=1",
        "1-2.wav",
    ]


def test_der_and_boundary_have_columns_with_their_units():
    run = Run("x", 9.0, scores={"der": words(1.5, 6.0), "boundary": words(80, 4)})

    (row, _) = parsed("".join(csv_rows.rows(result(System("a", (run,)), metrics=("der", "boundary")))))

    assert (row["der_percent"], row["der_errors_s"], row["der_of_s"]) == ("25.0", "1.5", "6.0")
    assert (row["boundary_mean_ms"], row["boundary_of_edges"]) == ("20.0", "4")
    assert "wer_percent" not in row


def test_what_could_not_be_scored_for_one_reason_is_one_line():
    bare = Run("a.wav", 1.0, lacking={"wer": "there is no reference", "cer": "there is no reference"})
    found = table(result(System("a", (bare,))))

    assert [note for note in found.notes if "reference" in note] == ["no WER, CER of a.wav: there is no reference"]


def test_a_system_that_died_half_way_was_run():
    found = table(result(System("a", (Run("a.wav", 1.0, 0.5), Run("b.wav", 1.0, error="killed")), error="killed")))

    assert "a did not come to its end: killed" in found.notes
