"""Live captions of what is being said.

    speechcli stream-mic                               what the microphone hears, on the terminal
    speechcli stream-mic -f srt -o talk.srt            and in a file, which is whole at any moment
    speechcli stream-mic --list-devices                microphones, and loudspeakers that can be listened to
    speechcli stream-mic --input-device "Monitor"      what the loudspeaker plays
    speechcli stream-mic --events | my-program         a line of JSON for each change
    arecord -f S16_LE -r 16000 | speechcli stream-mic -
    speechcli stream-mic talk.mp3 --speed 2            a file as if it were spoken now

Ctrl-C ends it; the last words are still written.
"""

from __future__ import annotations

from speechcli.backends.catalog import EMBEDDED
from speechcli.cli import environment, live_options, options


def stream_mic(
    source: live_options.Source = None,
    input_device: live_options.InputDevice = None,
    list_devices: live_options.ListDevices = False,
    input_rate: live_options.InputRate = None,
    input_format: live_options.InputFormat = None,
    input_channels: live_options.InputChannels = None,
    speed: live_options.Speed = None,
    format: live_options.Format = None,  # noqa: A002
    output: live_options.Output = None,
    overwrite: options.Overwrite = False,
    save_audio: live_options.SaveAudio = None,
    events: live_options.Events = False,
    clock: live_options.Clock = False,
    model: options.Model = EMBEDDED,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    attn_implementation: options.Attention = None,
    quantize: options.Quantize = None,
    compile: options.Compile = False,  # noqa: A002
    delay_ms: live_options.DelayMs = None,
    set: options.Set = None,  # noqa: A002
    offline: options.Offline = False,
    model_dir: options.ModelDir = None,
    revision: options.Revision = None,
    language: options.Language = None,
    task: options.Task = "transcribe",
    hotwords: options.Hotwords = None,
    hotwords_file: options.HotwordsFile = None,
    context: options.ContextText = None,
    endpoint_silence_ms: live_options.EndpointSilence = None,
    max_utterance: live_options.MaxUtterance = None,
    vad_threshold: options.VadThreshold = None,
    max_line_width: options.MaxLineWidth = None,
    max_line_count: options.MaxLineCount = None,
    max_words_per_line: options.MaxWordsPerLine = None,
    max_cps: options.MaxCps = None,
    min_duration: options.MinDuration = None,
    max_duration: options.MaxDuration = None,
    min_gap: options.MinGap = None,
    standard: options.Standard = False,
    standard_asia: options.StandardAsia = False,
    quiet: options.Quiet = False,
    config: options.Config = None,
) -> int:
    """Live captions of what is being said.

    By default: what the microphone hears, by the Whisper that comes with the install. Words that will not change any
    more are solid, those that may are dim. Ctrl-C ends it; the last words are still written.
    """
    environment.prepare_engines()
    from speechcli.cli import streaming, values  # not for --help: they bring numpy along

    if list_devices:
        return streaming.list_devices()
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
    )
    wanted = streaming.Wanted(
        model,
        device,
        dtype,
        values.settings(set),
        None,
        model_dir,
        offline,
        attn_implementation,
        quantize,
        compile,
        revision=revision,
    )
    return streaming.work(
        streaming.Input(source, input_device, input_rate, input_format, input_channels, speed),
        wanted,
        streaming.Listening(
            delay_ms,
            None if endpoint_silence_ms is None else endpoint_silence_ms / 1000,
            max_utterance,
            vad_threshold,
        ),
        streaming.Hints(values.languages(language), values.hotwords(hotwords, hotwords_file), context or "", task),
        streaming.Target(values.formats(format)[0] if format else (), output, style, save_audio, overwrite),
        streaming.Shown(events, clock, quiet),
    )
