"""The options of all commands, each named once: its spellings, its type, its line of help.

Texts are turned into our terms by `values`. Options that older tools spell otherwise are in `app`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

_IN, _OUT, _MODEL, _SPEECH, _SPEAKERS, _CAPTIONS, _BATCH, _SCREEN = (
    "Input",
    "Output",
    "Model",
    "Speech",
    "Speakers",
    "Subtitles",
    "Many recordings",
    "Screen",  # and where --help stands: app.py
)

FILES = frozenset(
    (
        "files_from",
        "output",
        "output_dir",
        "summary",
        "state_dir",
        "model_dir",
        "hotwords_file",
        "speaker_names",
        "plot",
        "turns",
        "audio_of",
        "references",
        "media",
        "transcripts",
        "compare",
        "json",
        "csv",
        "report",
        "pages",
        "keep",
    )
)
"""Options that name files: in a configuration file they are relative to it, and a project's may not leave it."""


def _config(ctx: typer.Context, value: Path | None) -> None:
    """Takes defaults from configuration files; eager, so before any other option looks for its default."""
    if not ctx.resilient_parsing:
        from speechcli.cli import config

        ctx.default_map = config.defaults(ctx.command, ctx, value)


def models(incomplete: str) -> list[str]:
    from speechcli.backends import catalog

    return [name for name in catalog.names() if name.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    from speechcli.formats import table

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in (*table.FORMATS, "all") if name.startswith(last)]


def languages(incomplete: str) -> list[str]:
    from speechcli.core.languages import NAMES

    return [code for code in ("auto", *NAMES) if code.startswith(incomplete)]


def diarizers(incomplete: str) -> list[str]:
    from speechcli.backends.diarizers import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def one_of(*words: str) -> Any:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=_config,
        is_eager=True,
        help="Take defaults from this file instead of speechcli.toml.",
        rich_help_panel=_SCREEN,
    ),
]

# --- input ---
Audio: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="AUDIO", show_default=False, help="Files, folders, patterns, https:// addresses, or - for stdin."
    ),
]
FilesFrom: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="FILE",
        help="Take inputs from a list, a line each (- for stdin; .jsonl: an object a line, with hints).",
        rich_help_panel=_IN,
    ),
]
Null: TypeAlias = Annotated[
    bool,
    typer.Option("-0", "--null", help="The list of --files-from is separated by NUL.", rich_help_panel=_IN),
]
Recursive: TypeAlias = Annotated[
    bool,
    typer.Option("--recursive/--no-recursive", "-r", help="Walk folders to the bottom.", rich_help_panel=_IN),
]
Track: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--track",
        min=0,
        help="Audio track of a file that has several, counted from 0.",
        show_default="the one the file prefers",
        rich_help_panel=_IN,
    ),
]
Channel: TypeAlias = Annotated[
    int | None,
    typer.Option("--channel", min=0, help="Listen to one channel only, counted from 0 (left).", rich_help_panel=_IN),
]
Channels: TypeAlias = Annotated[
    Literal["split"] | None,
    typer.Option(
        "--channels",
        help="split: each channel is a speaker, as on telephone recordings; no model has to tell them apart.",
        show_default="all mixed",
        rich_help_panel=_IN,
    ),
]
ClipTimestamps: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--clip-timestamps",
        metavar="START,END,…",
        help="Parts to listen to, in seconds or h:mm:ss.",
        rich_help_panel=_IN,
    ),
]
MaxRecording: TypeAlias = Annotated[
    str,
    typer.Option(
        "--max-recording",
        metavar="LENGTH",
        help="Refuse recordings longer than this: seconds, or 36h. (--max-duration is that of a caption.)",
        rich_help_panel=_IN,
    ),
]
MaxDownload: TypeAlias = Annotated[
    str,
    typer.Option(
        "--max-download", metavar="SIZE", help="Refuse to fetch more from an https:// address.", rich_help_panel=_IN
    ),
]

# --- output ---
Format: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT,…",
        help="Formats to write; several by commas or repetition; all; html: a page to listen and correct.",
        show_default="srt, or by the suffix of -o",
        autocompletion=formats,
        rich_help_panel=_OUT,
    ),
]
Output: TypeAlias = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="PATH", help="A file, a folder, or - for stdout.", rich_help_panel=_OUT),
]
OutputDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        metavar="FOLDER",
        help="A folder, with the inputs' tree below it.",
        show_default="beside each input",
        rich_help_panel=_OUT,
    ),
]
Overwrite: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--overwrite/--no-overwrite", show_default=False, help="Replace files that exist.", rich_help_panel=_OUT
    ),
]
EmbedMedia: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--embed-media/--no-embed-media",
        show_default=False,
        help="With -f html: put the recording into the page, which otherwise links to it.",
        rich_help_panel=_OUT,
    ),
]
References: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--references",
        "--reference",
        metavar="PATH",
        help="With -f html: show the errors against what was really said, in files named after the recordings.",
        rich_help_panel=_OUT,
    ),
]
SpeakerNames: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--speaker-names",
        metavar="SPEAKER_00=Anna,…",
        help="Names for speakers, or a file with a line each.",
        rich_help_panel=_OUT,
    ),
]
WordTimestamps: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--word-timestamps/--no-word-timestamps",
        help="Write the times of words; asked for, an aligner is taken where the model has none.",
        show_default="where the model tells",
        rich_help_panel=_OUT,
    ),
]
KeepRaw: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-raw/--no-keep-raw",
        show_default=False,
        help="Keep the model's own strings in the JSON.",
        rich_help_panel=_OUT,
    ),
]

# --- model ---
Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A name (see: speechcli models), a hub id, or a folder.",
        autocompletion=models,
        rich_help_panel=_MODEL,
    ),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda or cuda:1.",
        autocompletion=one_of("auto", "cpu", "cuda"),
        rich_help_panel=_MODEL,
    ),
]
Dtype: TypeAlias = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        help="Arithmetic: auto, float32, float16, bfloat16, int8, int8_float16 (also --compute-type).",
        autocompletion=one_of("auto", "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16"),
        rich_help_panel=_MODEL,
    ),
]
BatchSize: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=-1,
        help="Windows at once; -1: as many as fit.",
        show_default="what serves the model best",
        rich_help_panel=_MODEL,
    ),
]
ChunkSize: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--chunk-size",
        metavar="SECONDS",
        help="Longest window the model hears in one pass.",
        show_default="the model's own",
        rich_help_panel=_MODEL,
    ),
]
Attention: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--attn-implementation",
        metavar="NAME",
        help="Attention of transformers' models: sdpa, eager, flash_attention_2.",
        show_default="sdpa",
        autocompletion=one_of("sdpa", "eager", "flash_attention_2"),
        rich_help_panel=_MODEL,
    ),
]
Quantize: TypeAlias = Annotated[
    Literal["int8", "int4"] | None,
    typer.Option("--quantize", help="Weights in fewer bits, for cards of 12 to 24 GB.", rich_help_panel=_MODEL),
]
Compile: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--compile/--no-compile",
        show_default=False,
        help="Compile the decoder: a slow start, then faster (CUDA).",
        rich_help_panel=_MODEL,
    ),
]
Revision: TypeAlias = Annotated[
    str | None,
    typer.Option("--revision", metavar="COMMIT", help="Of the model on the hub.", rich_help_panel=_MODEL),
]
Aligner: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--aligner",
        metavar="NAME",
        help="Model that times the words: embedded (English), qwen3-aligner, ctc:ID; --set aligner.KEY=VALUE is its.",
        rich_help_panel=_MODEL,
    ),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the model's own, such as beam_size=5; can be repeated.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]
Offline: TypeAlias = Annotated[
    bool,
    typer.Option("--offline/--no-offline", show_default=False, help="Never use the network.", rich_help_panel=_MODEL),
]
ModelDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--model-dir",
        metavar="FOLDER",
        help="Where downloaded models are kept.",
        show_default="the hub's cache",
        rich_help_panel=_MODEL,
    ),
]

# --- speech ---
Language: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--language",
        "-l",
        metavar="LANG",
        help="Code, English name, or several that are possible: de,fr.",
        show_default="auto",
        autocompletion=languages,
        rich_help_panel=_SPEECH,
    ),
]
Task: TypeAlias = Annotated[
    Literal["transcribe", "translate"],
    typer.Option("--task", help="translate: into English.", rich_help_panel=_SPEECH),
]
Hotwords: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--hotwords", metavar="WORD,…", help="Names and terms that are likely to be said.", rich_help_panel=_SPEECH
    ),
]
HotwordsFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--hotwords-file", metavar="FILE", help="The same, a line each.", rich_help_panel=_SPEECH),
]
ContextText: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="TEXT",
        help="What the recording is about, in prose (also --initial-prompt).",
        rich_help_panel=_SPEECH,
    ),
]
Vad: TypeAlias = Annotated[
    bool, typer.Option("--vad/--no-vad", help="Listen for speech first, skip silence.", rich_help_panel=_SPEECH)
]
VadThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--vad-threshold",
        min=0.01,
        max=1.0,
        help="Probability that is speech.",
        show_default="0.5",
        rich_help_panel=_SPEECH,
    ),
]
VadMinSilence: TypeAlias = Annotated[
    int | None,
    typer.Option("--vad-min-silence-duration-ms", min=0, help="Silence that ends speech.", rich_help_panel=_SPEECH),
]
VadMinSpeech: TypeAlias = Annotated[
    int | None,
    typer.Option("--vad-min-speech-duration-ms", min=0, help="Shorter sounds are none.", rich_help_panel=_SPEECH),
]
VadSpeechPad: TypeAlias = Annotated[
    int | None,
    typer.Option("--vad-speech-pad-ms", min=0, help="Kept on either side of speech.", rich_help_panel=_SPEECH),
]

# --- speakers ---
Diarize: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--diarize/--no-diarize",
        show_default=False,
        help="Find out who says each word; models that tell speakers keep theirs.",
        rich_help_panel=_SPEAKERS,
    ),
]
Diarizer: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--diarizer",
        metavar="NAME",
        help="Model that tells who speaks: embedded, pyannote, hf:ID; --set diarizer.KEY=VALUE is its.",
        show_default="embedded, with --diarize",
        autocompletion=diarizers,
        rich_help_panel=_SPEAKERS,
    ),
]
NumSpeakers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--num-speakers", metavar="N", help="How many speak.", show_default="find out", rich_help_panel=_SPEAKERS
    ),
]
MinSpeakers: TypeAlias = Annotated[
    int | None,
    typer.Option("--min-speakers", metavar="N", help="At least so many speak.", rich_help_panel=_SPEAKERS),
]
MaxSpeakers: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-speakers", metavar="N", help="At most so many speak.", rich_help_panel=_SPEAKERS),
]
Enroll: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--enroll",
        metavar="NAME=FILE",
        help="A clip of somebody's voice, to be known by that name; can be repeated. Kept nowhere.",
        show_default=False,
        rich_help_panel=_SPEAKERS,
    ),
]
LinkSpeakers: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--link-speakers/--no-link-speakers",
        show_default=False,
        help="One voice, one label in all recordings; voice prints are kept in .speechcli-voices.json.",
        rich_help_panel=_SPEAKERS,
    ),
]
Plot: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw who speaks when: a .svg or .png; of several recordings, a folder for .svg files.",
        rich_help_panel=_OUT,
    ),
]

# --- subtitles ---
MaxLineWidth: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-line-width",
        min=2,
        help="Columns; a CJK character takes two.",
        show_default="42",
        rich_help_panel=_CAPTIONS,
    ),
]
MaxLineCount: TypeAlias = Annotated[
    int | None, typer.Option("--max-line-count", min=1, help="Lines.", show_default="2", rich_help_panel=_CAPTIONS)
]
MaxWordsPerLine: TypeAlias = Annotated[
    int | None, typer.Option("--max-words-per-line", min=1, help="Words a line.", rich_help_panel=_CAPTIONS)
]
MaxCps: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-cps", min=1, help="Reading speed, characters a second.", show_default="20", rich_help_panel=_CAPTIONS
    ),
]
MinDuration: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--min-duration", min=0, help="Seconds a caption stays.", show_default="0.833", rich_help_panel=_CAPTIONS
    ),
]
MaxDuration: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-duration", min=0.1, help="Seconds a caption stays at most.", show_default="7", rich_help_panel=_CAPTIONS
    ),
]
MinGap: TypeAlias = Annotated[
    float | None,
    typer.Option("--min-gap", min=0, help="Seconds between captions.", show_default="0.083", rich_help_panel=_CAPTIONS),
]
HighlightWords: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--highlight-words/--no-highlight-words",
        show_default=False,
        help="Mark each word as it is said.",
        rich_help_panel=_CAPTIONS,
    ),
]
Standard: TypeAlias = Annotated[
    bool, typer.Option("--standard", help="42 columns, 2 lines, 20 a second: the default.", rich_help_panel=_CAPTIONS)
]
StandardAsia: TypeAlias = Annotated[
    bool,
    typer.Option("--standard-asia", help="16 full-width characters, 2 lines, 9 a second.", rich_help_panel=_CAPTIONS),
]

# --- many recordings ---
SkipExisting: TypeAlias = Annotated[
    bool,
    typer.Option("--skip-existing/--no-skip-existing", help="Leave finished recordings alone.", rich_help_panel=_BATCH),
]
Resume: TypeAlias = Annotated[
    bool,
    typer.Option("--resume/--no-resume", help="Go on where an earlier run was stopped.", rich_help_panel=_BATCH),
]
FailFast: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--fail-fast/--no-fail-fast", show_default=False, help="Stop at the first that fails.", rich_help_panel=_BATCH
    ),
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.", rich_help_panel=_BATCH)
]
Strict: TypeAlias = Annotated[
    bool,
    typer.Option("--strict/--no-strict", show_default=False, help="Exit 1 on any warning.", rich_help_panel=_BATCH),
]
StateDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="FOLDER",
        help="Where journals of unfinished work lie.",
        show_default="beside the outputs",
        rich_help_panel=_BATCH,
    ),
]
Summary: TypeAlias = Annotated[
    Path | None,
    typer.Option("--summary", metavar="FILE", help="Write what became of each input, as JSON.", rich_help_panel=_BATCH),
]

# --- screen ---
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose/--no-verbose", "-v", show_default=False, help="Say more.", rich_help_panel=_SCREEN)
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet/--no-quiet", "-q", show_default=False, help="Say errors and warnings only.", rich_help_panel=_SCREEN
    ),
]
ShowProgress: TypeAlias = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="A bar.", show_default="on a terminal", rich_help_panel=_SCREEN),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json/--no-json", show_default=False, help="Print JSON.", rich_help_panel=_SCREEN)
]
