"""Give every word of a text its time in a recording.

    speechcli align talk.mp3 talk.txt                        talk.aligned.json beside it
    speechcli align talk.mp3 talk.txt -f textgrid,ctm        tiers for Praat, words for scoring
    speechcli align film.mp4 film.srt                        film.aligned.srt: the same captions, in time
    speechcli align recordings/ texts/ --output-dir aligned  pairs by name
    pbpaste | speechcli align talk.mp3 - -f srt -o talk.srt  the text from a pipe

Every word comes back as it was written, numbers and punctuation included. What nobody says, and what is said and not
written, is found and told.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from speechcli.cli import environment, options
from speechcli.errors import UsageError

_IN, _OUT, _MODEL, _SPEECH = "Input", "Output", "Model", "Speech"


def align(
    audio: Annotated[
        str | None,
        typer.Argument(metavar="AUDIO", show_default=False, help="A recording, a folder of them, or - for stdin."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            show_default=False,
            help="Its text: txt, srt, vtt, json, TextGrid, stm, ctm; a folder of texts; or - for stdin.",
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            "--pairs", metavar="FILE", help="AUDIO<TAB>TEXT a line, then perhaps a language.", rich_help_panel=_IN
        ),
    ] = None,
    recursive: options.Recursive = True,
    track: options.Track = None,
    channel: options.Channel = None,
    clip_timestamps: options.ClipTimestamps = None,
    max_recording: options.MaxRecording = "100h",
    max_download: options.MaxDownload = "4GB",
    format: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT,…",
            help="Formats to write; several by commas or repetition; all; html: a page to listen and correct.",
            show_default="json, srt or vtt for captions, or by the suffix of -o",
            autocompletion=options.formats,
            rich_help_panel=_OUT,
        ),
    ] = None,
    output: options.Output = None,
    output_dir: options.OutputDir = None,
    overwrite: options.Overwrite = False,
    embed_media: options.EmbedMedia = False,
    references: options.References = None,
    unit: Annotated[
        Literal["word", "character", "line"],
        typer.Option("--unit", help="What gets times of its own.", rich_help_panel=_OUT),
    ] = "word",
    keep_cues: Annotated[
        bool | None,
        typer.Option(
            "--keep-cues/--no-keep-cues",
            help="Leave captions as they are, and mend their times.",
            show_default="for srt and vtt",
            rich_help_panel=_OUT,
        ),
    ] = None,
    speaker_names: options.SpeakerNames = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="embedded (English, comes along), qwen3-aligner, or ctc:ID of any CTC model.",
            show_default="qwen3-aligner where it and a GPU are there, else embedded",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor",
            metavar="NAME",
            help="Model that finds where a text is said; none: follow it as it comes.",
            show_default="embedded, for English",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
    chunk_size: options.ChunkSize = None,
    attn_implementation: options.Attention = None,
    compile: options.Compile = False,  # noqa: A002
    set: options.Set = None,  # noqa: A002
    offline: options.Offline = False,
    model_dir: options.ModelDir = None,
    revision: options.Revision = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            "-l",
            metavar="LANG",
            help="Of the text: a code or an English name.",
            show_default="what the file says, or its letters",
            autocompletion=options.languages,
            rich_help_panel=_SPEECH,
        ),
    ] = None,
    max_line_width: options.MaxLineWidth = None,
    max_line_count: options.MaxLineCount = None,
    max_words_per_line: options.MaxWordsPerLine = None,
    max_cps: options.MaxCps = None,
    min_duration: options.MinDuration = None,
    max_duration: options.MaxDuration = None,
    min_gap: options.MinGap = None,
    highlight_words: options.HighlightWords = False,
    standard: options.Standard = False,
    standard_asia: options.StandardAsia = False,
    skip_existing: options.SkipExisting = True,
    resume: options.Resume = True,
    fail_fast: options.FailFast = False,
    dry_run: options.DryRun = False,
    strict: options.Strict = False,
    state_dir: options.StateDir = None,
    summary: options.Summary = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    progress: options.ShowProgress = None,
    config: options.Config = None,
) -> int:
    """Give every word of a text its time in a recording.

    By default: talk.mp3 and talk.txt give talk.aligned.json, by the aligner that comes with the install. Captions stay
    as they are and come back in time.
    """
    environment.prepare_engines()
    from speechcli.backends import registry
    from speechcli.cli import aligning, values, work  # not for --help: they bring numpy along

    formats, demanded = values.formats(format)
    style = values.style_of(
        standard_asia,
        standard,
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_words_per_line=max_words_per_line,
        max_cps=max_cps,
        min_duration=min_duration,
        max_duration=max_duration,
        min_gap=min_gap,
        highlight_words=highlight_words or None,
    )
    codes = values.languages(language)
    if len(codes) > 1:
        raise UsageError(f"--language {language}: a text is in one language", "name one")
    wanted = registry.aligner_for(
        work.Wanted(
            model,
            device,
            dtype,
            values.settings(set),
            batch_size,
            model_dir,
            offline,
            attn_implementation,
            compile=compile,
            longest=chunk_size,
            revision=revision,
        )
    )
    ear = registry.anchor_for(wanted, anchor, codes[0] if codes else None)
    question = work.Question(
        model="",
        revision="",
        settings=ear.told if ear is not None else (),
        hints=work.Hints(codes),
        rules=work.rules(ear or work.Wanted(), True, None, None, None, None),
        track=track,
        channel=channel,
        clips=values.clips(clip_timestamps),
    )
    return aligning.align(
        aligning.Named(audio, text, pairs, recursive, values.size(max_download, "--max-download")),
        aligning.Wishes(codes[0] if codes else None, keep_cues, unit == "line"),
        question,
        work.Rendering(
            formats,
            style,
            values.speaker_names(speaker_names),
            True,
            demanded,
            unit,
            work.page(embed_media, references),
        ),
        wanted,
        ear,
        work.Target(output, output_dir, state_dir, values.length(max_recording, "--max-recording")),
        work.Choices(overwrite, skip_existing, resume, fail_fast, dry_run, strict, quiet, verbose, progress, summary),
    )
