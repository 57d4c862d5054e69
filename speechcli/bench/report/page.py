"""The report as one HTML page: which system to use, why, the figures, the errors, and how all of it was measured.

It needs no network. Its size is bounded: the table of recordings grows with them (a row of a thousand characters or
so), the errors share `mistakes.BUDGET`. The errors are in the page as JSON, and drawn when somebody opens a recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Final

from speechcli.bench import standing
from speechcli.bench.compare import WORDS, Comparison
from speechcli.bench.report.advice import Advice, advice
from speechcli.bench.report.mistakes import Mistakes, Often, mistakes
from speechcli.bench.report.scatter import scatter
from speechcli.bench.result import Result, Run
from speechcli.bench.table import Cell, table
from speechcli.bench.wording import SHORT, TIMED, bare, several, times, took
from speechcli.formats.html.shell import block, escaped, isolated, shell
from speechcli.scoring.rates import METRICS, Metric

_SPEED: Final = "rtfx"
_SHOWN: Final[dict[str, str]] = {
    **{str(metric): meaning for metric, meaning in METRICS.items()},
    _SPEED: "speed (RTFx): seconds of sound a second of work",
}
_NORMALIZERS: Final = {
    "english": "Whisper's English normaliser (lower case, no punctuation, numbers and spellings made alike)",
    "basic": "Whisper's basic normaliser (lower case, no punctuation)",
    "none": "none: texts are compared as they are",
}
_MARKS: Final = {"worse": "▼", "better": "▲", "unknown": "?", "same": "="}  # as they are told


def page(result: Result, comparison: Comparison | None = None) -> Iterator[str]:
    """The whole file, piece by piece. Raises UnavailableError without jiwer."""
    found, often = mistakes(result)
    names = [system.name for system in result.systems]
    rows = [[m.recording, names.index(m.system), m.left_out, m.snippets] for m in found]
    yield from shell(
        title="Benchmark of " + (", ".join(names) or "nothing"),
        body=_body(result, comparison, found, often),
        styles=(_asset("report.css"),),
        scripts=(_asset("sort.js"), _asset("mistakes.js")),
        data={"mistakes": block({"systems": names, "rows": rows})},
    )


def _body(
    result: Result, comparison: Comparison | None, found: Sequence[Mistakes], often: Sequence[Often]
) -> Iterator[str]:
    names = {run.recording for system in result.systems for run in system.runs}
    metric = standing.judged_by(result)
    told = advice(result)
    yield '<a class="skip" href="#answer">To the answer</a>\n<header><h1>Speech recognition measured</h1>'
    yield f'<p class="muted">{several(len(result.systems), "system")}, {several(len(names), "recording")}, '
    yield f'{escaped(_date(result.made))}</p><button id="theme" type="button">Light or dark</button></header>\n<main>\n'
    yield from _answer(told)
    if comparison is not None:
        yield from _compared(comparison)
    yield from _figures(result, told.picks)
    if metric is not None:
        yield from scatter(standing.standings(result), metric, told.picks)
    yield from _recordings(result, metric, {m.recording for m in found})
    yield from _errors(result, found)
    yield from _often(often)
    yield from _measured(result)
    yield "</main>\n"


def _answer(told: Advice) -> Iterator[str]:
    yield '<section id="answer" aria-labelledby="answer-head"><h2 id="answer-head">Which one to use</h2>\n'
    yield f'<p class="headline">{isolated(told.headline)}</p>\n'
    yield "".join(f"<p>{isolated(line)}</p>\n" for line in told.reasons)
    if told.cautions:
        yield f'<ul class="note">{"".join(f"<li>{isolated(line)}</li>" for line in told.cautions)}</ul>\n'
    yield "</section>\n"


def _compared(comparison: Comparison) -> Iterator[str]:
    yield '<section aria-labelledby="before"><h2 id="before">Compared with before</h2>\n'
    yield f"<p>{isolated(_capital(comparison.text[-1]))}.</p>\n"
    heads = ("System", "What", "Before", "Now", "Verdict", "How sure")
    yield _scroll("Compared with before", "".join(f'<th scope="col">{head}</th>' for head in heads))
    for line in sorted(comparison.lines, key=lambda line: list(_MARKS).index(line.verdict)):
        verdict = f'<span class="verdict {line.verdict}">{_MARKS[line.verdict]} {WORDS[line.verdict]}</span>'
        cells = (isolated(line.what), escaped(line.old), escaped(line.new), verdict, isolated(line.told))
        yield f'<tr><th scope="row">{isolated(line.system)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
    yield "</tbody></table></div>\n"
    if comparison.notes:
        yield f"<ul>{''.join(f'<li>{isolated(note)}</li>' for note in comparison.notes)}</ul>\n"
    yield "</section>\n"


def _figures(result: Result, picks: Sequence[str]) -> Iterator[str]:
    shown = table(result)
    yield '<section aria-labelledby="figures"><h2 id="figures">The figures</h2>\n'
    heads = '<th scope="col">#</th>' + "".join(_sorter(_capital(c.name), c.meaning, c.figure) for c in shown.columns)
    yield _scroll("The figures", heads)
    for number, row in enumerate(shown.rows, 1):
        chosen = ' class="pick"' if row[0].text in picks else ""
        mark = ' <span class="chosen">advised</span>' if chosen else ""
        yield f'<tr{chosen}><td class="number">{number}</td><th scope="row">{isolated(row[0].text)}{mark}</th>'
        yield "".join(map(_cell, row[1:])) + "</tr>\n"
    yield "</tbody></table></div>\n"
    if any(cell.best for row in shown.rows for cell in row):
        yield '<p class="muted">★ the best of its column.</p>\n'
    yield f'<ul class="muted small">{"".join(f"<li>{isolated(note)}</li>" for note in shown.notes)}</ul></section>\n'


def _cell(cell: Cell) -> str:
    if not cell.text:
        return '<td class="number" data-sort=""><span class="muted">–</span></td>'
    star = '<span class="unseen">, the best</span><span aria-hidden="true"> ★</span>' if cell.best else ""
    best = " best" if cell.best else ""
    return f'<td class="number{best}" data-sort="{cell.value:.6g}">{escaped(cell.text)}{star}</td>'


def _recordings(result: Result, metric: Metric | None, opened: set[str]) -> Iterator[str]:
    """A row a recording, a column a system; which figure is shown is chosen above it."""
    shown = [m for m in METRICS if any(m in run.scores for system in result.systems for run in system.runs)]
    kinds = [*shown, *([_SPEED] if any(system.rtfx for system in result.systems) else [])]
    if not kinds:
        return
    first = metric or kinds[0]
    yield '<section aria-labelledby="each"><h2 id="each">Each recording</h2>\n'
    yield '<p class="choice"><label for="kind">Shown:</label> <select id="kind">'
    for kind in kinds:
        chosen = " selected" if kind == first else ""
        yield f'<option value="{kind}"{chosen}>{escaped(_SHOWN[kind])}</option>'
    yield "</select></p>\n"
    heads = _sorter("Recording", "", False) + _sorter("Length", "", True)
    heads += "".join(
        f'<th scope="col" class="number" data-kind="{kind}"><button type="button">{isolated(system.name)}</button></th>'
        for kind in kinds
        for system in result.systems
    )
    yield _scroll("Each recording", heads, f' id="recordings" data-shown="{first}"')
    runs = [{run.recording: run for run in system.runs} for system in result.systems]
    lengths = {run.recording: run.duration for system in result.systems for run in system.runs}
    for name, length in lengths.items():
        shown_name = (
            f'<a href="#errors" data-open="{escaped(name)}">{isolated(name)}</a>' if name in opened else isolated(name)
        )
        yield f'<tr><th scope="row">{shown_name}</th><td class="number" data-sort="{length:.6g}">{took(length)}</td>'
        yield "".join(_run_cell(by_name.get(name), kind) for kind in kinds for by_name in runs) + "</tr>\n"
    yield "</tbody></table></div></section>\n"


def _run_cell(run: Run | None, kind: str) -> str:
    value: float | None = None
    text = title = ""
    if run is not None and run.error:
        text, title = "failed", run.error
    elif run is not None and kind == _SPEED:
        value = run.duration / run.seconds if run.seconds else None
        text = times(value)
    elif run is not None:
        for metric in METRICS:
            if metric == kind:
                value = run.scores[metric].value if metric in run.scores else None
                text, title = bare(metric, value), run.lacking.get(metric, "")
    sort = "" if value is None else f"{value:.4g}"
    hint = f' title="{escaped(title)}"' if title else ""
    return f'<td class="number bar" data-kind="{kind}" data-sort="{sort}"{hint}>{text or "–"}</td>'


def _errors(result: Result, found: Sequence[Mistakes]) -> Iterator[str]:
    """One closed block a recording, the hardest first; filled when it is opened."""
    if not found:
        return
    counts: dict[str, list[str]] = {}
    wrong: dict[str, float] = {}
    for system in result.systems:
        for run in system.runs:
            if (rate := run.scores.get("wer")) is not None and run.reference:
                counts.setdefault(run.recording, []).append(f"{isolated(system.name)} {rate.errors:g}")
                wrong[run.recording] = wrong.get(run.recording, 0.0) + (rate.value or 0.0)
    for m in found:
        wrong.setdefault(m.recording, 0.0)
    yield '<section id="errors" aria-labelledby="errors-head"><h2 id="errors-head">The errors, word by word</h2>\n'
    yield (
        '<p class="muted">The recordings with most errors first; open one to see them. In each pair the upper word '
        "was said, the lower one was heard.</p>\n"
        '<p class="legend" aria-hidden="true"><span class="pair substituted"><s>said</s><b>heard</b></span> '
        'another word <span class="pair deleted"><s>said</s><i>–</i></span> left out '
        '<span class="pair inserted"><i>+</i><b>heard</b></span> made up</p>\n'
    )
    yield '<noscript><p class="note">These are drawn by a script, which is switched off here.</p></noscript>\n'
    for name in sorted(wrong, key=lambda name: -wrong[name]):
        told = f'<span class="muted">wrong words: {", ".join(counts[name])}</span>' if name in counts else ""
        yield f'<details data-recording="{escaped(name)}"><summary>{isolated(name)} {told}</summary></details>\n'
    yield "</section>\n"


def _often(often: Sequence[Often]) -> Iterator[str]:
    some = [o for o in often if o.substituted or o.deleted or o.inserted]
    if not some:
        return
    yield '<section aria-labelledby="often"><h2 id="often">What goes wrong most often</h2>\n<div class="often">\n'
    for o in some:
        yield f"<div><h3>{isolated(o.system)}</h3>\n"
        substituted = [(f"{isolated(said)} → {isolated(heard)}", n) for (said, heard), n in o.substituted]
        yield from _counted("Another word (said → heard)", substituted)
        yield from _counted("Left out", [(isolated(word), n) for word, n in o.deleted])
        yield from _counted("Made up", [(isolated(word), n) for word, n in o.inserted])
        yield "</div>\n"
    yield "</div></section>\n"


def _counted(head: str, rows: Iterable[tuple[str, int]]) -> Iterator[str]:
    """A small table; the texts are HTML."""
    lines = "".join(f'<tr><td>{text}</td><td class="number">{n}</td></tr>' for text, n in rows)
    if lines:
        yield f'<table class="small"><thead><tr><th scope="col">{head}</th><th scope="col" class="number">times</th>'
        yield f"</tr></thead><tbody>{lines}</tbody></table>\n"


def _measured(result: Result) -> Iterator[str]:
    yield '<section aria-labelledby="how"><h2 id="how">How this was measured</h2>\n<dl>\n'
    yield _entry("Made", _date(result.made) + ("" if result.complete else " (broken off before its end)"))
    yield _entry("Normaliser", _NORMALIZERS.get(result.normalizer, result.normalizer))
    for metric in result.metrics:
        yield _entry(SHORT[metric], METRICS[metric] + _collar(result, metric))
    yield _entry("RTFx", f"seconds of sound a second of work; timed is {TIMED}")
    yield _entry("Intervals", "95 %, by bootstrap: the recordings are drawn anew, with replacement, many times over")
    for key, value in result.machine.items():
        yield _entry(key, value)
    yield "</dl>\n"
    for system in result.systems:
        facts = [
            ("model", system.model),
            ("revision", system.revision),
            ("device", system.device),
            *system.settings,
            ("load", took(system.load) if system.load is not None else ""),
            ("first sound, not counted", took(system.warm_up) if system.warm_up is not None else ""),
        ]
        rows = "".join(_entry(key, value) for key, value in facts if value)
        yield f"<h3>{isolated(system.name)}</h3>\n" + (f"<dl>{rows}</dl>\n" if rows else "<p>Made elsewhere.</p>\n")
    yield "</section>\n"


def _collar(result: Result, metric: Metric) -> str:
    if metric == "der":
        return f", {result.collar:g} s each side of a boundary not scored"
    return f", {result.tcp_collar:g} s of collar" if metric == "tcpwer" else ""


def _entry(name: str, value: str) -> str:
    return f"<div><dt>{isolated(name)}</dt><dd>{isolated(value)}</dd></div>\n"


def _scroll(name: str, heads: str, attributes: str = "") -> str:
    """The beginning of a table that scrolls sideways where it is too wide, by keyboard too."""
    return (
        f'<div class="scroll" role="group" aria-label="{escaped(name)}" tabindex="0">'
        f'<table class="sortable"{attributes}><thead><tr>{heads}</tr></thead><tbody>\n'
    )


def _sorter(name: str, meaning: str, number: bool) -> str:
    title = f' title="{escaped(meaning)}"' if meaning and meaning != name else ""
    kind = ' class="number"' if number else ""
    return f'<th scope="col"{kind}><button type="button"{title}>{escaped(name)}</button></th>'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _date(made: str) -> str:
    return made[:16].replace("T", " ")


@cache
def _asset(name: str) -> str:
    return resources.files("speechcli.bench.report").joinpath("assets", name).read_text("utf-8")
