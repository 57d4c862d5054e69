"""Find out who speaks when, and who says each word of a transcript.

    speechcli diarize meeting.mp3                            meeting.rttm beside it
    speechcli diarize meetings/ -f rttm,json -o turns/       a tree, in the same shape
    speechcli diarize meeting.mp3 --num-speakers 3           you know how many
    speechcli diarize meeting.json                           meeting.diarized.json: names on its words
    speechcli diarize film.srt --audio film.mp4              film.diarized.srt
    speechcli diarize meeting.json --turns gold.rttm         turns that you have already
    speechcli diarize call.wav --channels split              a speaker on each channel, no model

`speechcli transcribe --diarize` does both at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechcli.cli import environment, options
from speechcli.errors import UsageError

_IN, _OUT, _MODEL = "Input", "Output", "Model"


def diarize(
    audio: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="Recordings: files, folders, patterns, https://, or -; or finished transcripts: json, srt, vtt.",
        ),
    ] = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    recursive: options.Recursive = True,
    audio_of: Annotated[
        str | None,
        typer.Option(
            "--audio",
            metavar="PATH",
            help="Recording of a transcript, or the folder where it lies.",
            show_default="beside it, by its name",
            rich_help_panel=_IN,
        ),
    ] = None,
    turns: Annotated[
        Path | None,
        typer.Option(
            "--turns",
            metavar="FILE",
            help="Join these turns with a transcript, without a model: an RTTM, or what has speakers.",
            rich_help_panel=_IN,
        ),
    ] = None,
    track: options.Track = None,
    channel: options.Channel = None,
    channels: options.Channels = None,
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
            show_default="rttm; json or captions for transcripts; or by the suffix of -o",
            autocompletion=options.formats,
            rich_help_panel=_OUT,
        ),
    ] = None,
    output: options.Output = None,
    output_dir: options.OutputDir = None,
    overwrite: options.Overwrite = False,
    embed_media: options.EmbedMedia = False,
    plot: options.Plot = None,
    speaker_names: options.SpeakerNames = None,
    num_speakers: options.NumSpeakers = None,
    min_speakers: options.MinSpeakers = None,
    max_speakers: options.MaxSpeakers = None,
    link_speakers: options.LinkSpeakers = False,
    enroll: options.Enroll = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="embedded (offline), pyannote, vibevoice, or hf:ID of a model that tells speakers.",
            autocompletion=options.diarizers,
            rich_help_panel=_MODEL,
        ),
    ] = "embedded",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
    chunk_size: options.ChunkSize = None,
    attn_implementation: options.Attention = None,
    quantize: options.Quantize = None,
    compile: options.Compile = False,  # noqa: A002
    set: options.Set = None,  # noqa: A002
    offline: options.Offline = False,
    model_dir: options.ModelDir = None,
    revision: options.Revision = None,
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
    """Find out who speaks when.

    By default: meeting.mp3 gives meeting.rttm beside it. A finished transcript (json, srt, vtt) gets its words'
    speakers: meeting.json gives meeting.diarized.json, and is not transcribed again.
    """
    environment.prepare_engines()
    from speechcli.backends import diarizers
    from speechcli.cli import diarizing, values, work  # not for --help: they bring numpy along

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
    split = work.by_channel(
        channels,
        {
            "--channel": channel,
            "--turns": turns,
            "--model": None if model == "embedded" else model,
            "--num-speakers": num_speakers,
            "--min-speakers": min_speakers,
            "--max-speakers": max_speakers,
            "--link-speakers": link_speakers,
            "--enroll": enroll or None,
        },
    )
    counts = work.counts_of(num_speakers, min_speakers, max_speakers)
    if turns is not None and audio_of is not None:
        raise UsageError("--turns and --audio exclude each other: with turns, no recording is heard")
    if turns is not None and (num_speakers or min_speakers or max_speakers or link_speakers or enroll):
        raise UsageError("with --turns nobody is told apart: speakers are not counted, linked or enrolled")
    wanted = diarizers.diarizer_for(
        work.Wanted(
            model,
            device,
            dtype,
            values.settings(set),
            batch_size,
            model_dir,
            offline,
            attn_implementation,
            quantize,
            compile,
            chunk_size,
            revision,
        )
    )
    question = work.Question(
        model="",
        revision="",
        dtype=dtype,
        track=track,
        channel=channel,
        clips=values.clips(clip_timestamps),
        speakers=counts,
        turns=True,
        split=split,
    )
    return diarizing.diarize(
        work.Sources(tuple(audio or ()), files_from, null, recursive, values.size(max_download, "--max-download")),
        diarizing.Given(audio_of, turns),
        question,
        work.Rendering(
            formats,
            style,
            values.speaker_names(speaker_names),
            True,
            demanded,
            page=work.page(embed_media),
        ),
        wanted,
        work.Target(output, output_dir, state_dir, values.length(max_recording, "--max-recording")),
        work.Choices(overwrite, skip_existing, resume, fail_fast, dry_run, strict, quiet, verbose, progress, summary),
        work.Voices(values.enrolled(enroll), link_speakers),
        plot,
    )
