"""The options that only live commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

_IN, _OUT, _MODEL, _SPEECH, _SCREEN = "Input", "Output", "Model", "Speech", "Screen"


def formats(incomplete: str) -> list[str]:
    from speechcli.formats import growing

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in growing.NAMES if name.startswith(last)]


def devices(incomplete: str) -> list[str]:
    from speechcli.errors import SpeechcliError
    from speechcli.media import mic

    try:
        return [device.id for device in mic.devices() if device.id.startswith(incomplete)]
    except SpeechcliError:
        return []


Source: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="Nothing for the microphone; - for WAV or bare samples on stdin; or a file, replayed at real speed.",
    ),
]
InputDevice: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--input-device",
        metavar="NAME|ID",
        help="Microphone to listen to: a number, an id or a part of a name (see --list-devices).",
        show_default="the system's default",
        autocompletion=devices,
        rich_help_panel=_IN,
    ),
]
ListDevices: TypeAlias = Annotated[
    bool, typer.Option("--list-devices", help="Show what can be listened to, and exit.", rich_help_panel=_IN)
]
InputRate: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--input-rate", metavar="HZ", help="Of bare samples on stdin.", show_default="16000", rich_help_panel=_IN
    ),
]
InputFormat: TypeAlias = Annotated[
    Literal["s16le", "f32le"] | None,
    typer.Option("--input-format", help="Of bare samples on stdin.", show_default="s16le", rich_help_panel=_IN),
]
InputChannels: TypeAlias = Annotated[
    int | None,
    typer.Option("--input-channels", help="Of bare samples on stdin.", show_default="1", rich_help_panel=_IN),
]
Speed: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--speed",
        metavar="N",
        help="Replay a file so many times as fast as it was spoken; 0: as fast as it is heard.",
        show_default="1",
        rich_help_panel=_IN,
    ),
]
Format: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT,…",
        help="Formats of -o: srt, vtt, json, txt; several by commas or repetition.",
        show_default="by the suffix of -o",
        autocompletion=formats,
        rich_help_panel=_OUT,
    ),
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A file that grows with every final word and is whole at any moment.",
        rich_help_panel=_OUT,
    ),
]
SaveAudio: TypeAlias = Annotated[
    Path | None,
    typer.Option("--save-audio", metavar="FILE", help="Keep the sound, as WAV.", rich_help_panel=_OUT),
]
Events: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--events", help="A line of JSON on stdout for each change: partial, final, end.", rich_help_panel=_OUT
    ),
]
Clock: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--clock/--no-clock", show_default=False, help="Show when each utterance began.", rich_help_panel=_SCREEN
    ),
]
DelayMs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--delay-ms",
        metavar="N",
        help="How far the text of voxtral-realtime stays behind: 80 to 2400 in steps of 80; longer is more exact.",
        show_default="480",
        rich_help_panel=_MODEL,
    ),
]
EndpointSilence: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--endpoint-silence-ms",
        metavar="N",
        help="Silence that ends an utterance.",
        show_default="800",
        rich_help_panel=_SPEECH,
    ),
]
MaxUtterance: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--max-utterance",
        metavar="SECONDS",
        help="An utterance that goes on longer is ended where the speech is weakest.",
        show_default="20",
        rich_help_panel=_SPEECH,
    ),
]
