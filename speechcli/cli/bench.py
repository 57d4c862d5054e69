"""Measure models on your own recordings: errors, speed, memory, side by side.

    speechcli bench talks/ --model embedded --model whisper-small
    speechcli bench talks/ --references gold/ --report report.html
    speechcli bench meetings/ --diarize --metrics cpwer,der   who said what
    speechcli bench talks/ --transcripts theirs/   what another tool made
    speechcli bench talks/ --json now.json --compare old.json   worse: exit 1
    speechcli bench --quick                        this machine: how fast

A reference lies beside its recording under the same name: txt, stm, srt, vtt, json, rttm, ctm or TextGrid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechcli.cli import environment, options

_IN, _OUT, _MODEL, _SCORES = "Input", "Output", "Model", "Scores"


def bench(
    audio: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", show_default=False, help="Recordings: files, folders or patterns."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Without inputs: measure this machine on the recording that ships.",
            rich_help_panel=_IN,
        ),
    ] = False,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="PATH",
            help="Folder of references, in the inputs' tree or by their names; or one file about many.",
            show_default="beside each input",
            rich_help_panel=_IN,
        ),
    ] = None,
    transcripts: Annotated[
        list[Path] | None,
        typer.Option(
            "--transcripts",
            metavar="FOLDER",
            help="Score transcripts that are there already, by whatever made them; can be repeated.",
            show_default=False,
            rich_help_panel=_IN,
        ),
    ] = None,
    recursive: options.Recursive = True,
    max_recording: options.MaxRecording = "100h",
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAME,…",
            help="wer, cer, cpwer, tcpwer, der, boundary.",
            show_default="all that the references allow",
            autocompletion=options.one_of("wer", "cer", "cpwer", "tcpwer", "der", "boundary"),
            rich_help_panel=_SCORES,
        ),
    ] = None,
    normalizer: Annotated[
        str,
        typer.Option(
            "--normalizer",
            metavar="NAME",
            help="How words are made alike before they are compared: Whisper's english or basic, or none.",
            autocompletion=options.one_of("english", "basic", "none"),
            rich_help_panel=_SCORES,
        ),
    ] = "english",
    collar: Annotated[
        float,
        typer.Option(
            "--collar",
            min=0.0,
            metavar="SECONDS",
            help="Each side of an edge of a turn, not scored by der.",
            rich_help_panel=_SCORES,
        ),
    ] = 0.25,
    tcp_collar: Annotated[
        float,
        typer.Option(
            "--tcp-collar",
            min=0.0,
            metavar="SECONDS",
            help="How far off a word may be for tcpwer.",
            rich_help_panel=_SCORES,
        ),
    ] = 5.0,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="OLD.json",
            help="Say what is better or worse than in an earlier --json, and exit with 1 if anything is worse.",
            rich_help_panel=_SCORES,
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="All counts and times, for --compare.", rich_help_panel=_OUT),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A row a recording and model.", rich_help_panel=_OUT),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="report.html: tables, pictures and the errors word by word; .png or .svg: the picture.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option(
            "--pages",
            metavar="FOLDER",
            help="A page a recording and model, with its errors in the text and its sound.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            help="Keep the transcripts, a folder a model, for --transcripts.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A model to measure; repeat it for several.",
            show_default="embedded",
            autocompletion=options.models,
            rich_help_panel=_MODEL,
        ),
    ] = None,
    language: options.Language = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
    chunk_size: options.ChunkSize = None,
    attn_implementation: options.Attention = None,
    quantize: options.Quantize = None,
    compile: options.Compile = False,  # noqa: A002
    aligner: options.Aligner = None,
    set: options.Set = None,  # noqa: A002
    model_dir: options.ModelDir = None,
    vad: options.Vad = True,
    diarize: options.Diarize = False,
    diarizer: options.Diarizer = None,
    num_speakers: options.NumSpeakers = None,
    min_speakers: options.MinSpeakers = None,
    max_speakers: options.MaxSpeakers = None,
    quiet: options.Quiet = False,
    progress: options.ShowProgress = None,
    config: options.Config = None,
) -> int:
    """Measure models on your own recordings: errors, speed, memory, side by side.

    Each model runs in a process of its own. Where references tell speakers only, models that tell who speaks are
    measured, else models that transcribe.
    """
    environment.prepare_engines()
    from speechcli.cli import benching, values  # not for --help: they bring numpy along
    from speechcli.scoring.score import Options as Scoring

    asked = benching.Asked(
        inputs=tuple(audio or ()),
        recursive=recursive,
        quick=quick,
        references=references,
        transcripts=tuple(transcripts or ()),
        models=tuple(model or ()),
        metrics=metrics,
        scoring=Scoring(normalizer, collar, tcp_collar),
    )
    engine = benching.Options(
        language=values.languages(language) or None,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        settings=values.settings(set),
        vad=vad,
        chunk_size=chunk_size,
        attention=attn_implementation,
        quantize=quantize,
        compile=compile,
        aligner=aligner,
        diarize=diarize,
        diarizer=diarizer,
        num_speakers=num_speakers,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
        model_dir=model_dir,
        longest=values.length(max_recording, "--max-recording"),
    )
    kept = benching.Kept(json, csv, report, pages, keep, overwrite)
    return benching.work(asked, engine, kept, compare, benching.Shown(quiet, progress))
