"""Turn recordings into subtitles, text and data.

    speechcli transcribe talk.mp3                          talk.srt beside it
    speechcli transcribe talk.mp3 -f srt,json -o out/      several formats, in a folder
    speechcli transcribe recordings/ --output-dir texts/   a tree, in the same shape
    speechcli transcribe talk.mp3 -f srt -o - | less       captions as they are heard
    cat talk.mp4 | speechcli transcribe - -f txt           from a pipe
    speechcli transcribe meeting.mp3 --diarize -f vtt      with who says what
    speechcli transcribe call.wav --channels split         a speaker on each channel
    speechcli transcribe talk.mp3 -f html                  talk.html, a page to listen, look and correct

Run the same command again after an interruption: what is finished is not done again.
"""

from __future__ import annotations

from speechcli.backends.catalog import EMBEDDED
from speechcli.cli import environment, options


def transcribe(
    audio: options.Audio = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    recursive: options.Recursive = True,
    track: options.Track = None,
    channel: options.Channel = None,
    channels: options.Channels = None,
    clip_timestamps: options.ClipTimestamps = None,
    max_recording: options.MaxRecording = "100h",
    max_download: options.MaxDownload = "4GB",
    format: options.Format = None,  # noqa: A002
    output: options.Output = None,
    output_dir: options.OutputDir = None,
    overwrite: options.Overwrite = False,
    embed_media: options.EmbedMedia = False,
    references: options.References = None,
    speaker_names: options.SpeakerNames = None,
    word_timestamps: options.WordTimestamps = None,
    keep_raw: options.KeepRaw = False,
    model: options.Model = EMBEDDED,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
    chunk_size: options.ChunkSize = None,
    attn_implementation: options.Attention = None,
    quantize: options.Quantize = None,
    compile: options.Compile = False,  # noqa: A002
    aligner: options.Aligner = None,
    set: options.Set = None,  # noqa: A002
    offline: options.Offline = False,
    model_dir: options.ModelDir = None,
    revision: options.Revision = None,
    language: options.Language = None,
    task: options.Task = "transcribe",
    hotwords: options.Hotwords = None,
    hotwords_file: options.HotwordsFile = None,
    context: options.ContextText = None,
    vad: options.Vad = True,
    vad_threshold: options.VadThreshold = None,
    vad_min_silence_duration_ms: options.VadMinSilence = None,
    vad_min_speech_duration_ms: options.VadMinSpeech = None,
    vad_speech_pad_ms: options.VadSpeechPad = None,
    diarize: options.Diarize = False,
    diarizer: options.Diarizer = None,
    num_speakers: options.NumSpeakers = None,
    min_speakers: options.MinSpeakers = None,
    max_speakers: options.MaxSpeakers = None,
    link_speakers: options.LinkSpeakers = False,
    enroll: options.Enroll = None,
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
    """Turn recordings into subtitles, text and data.

    By default: talk.mp3 gives talk.srt beside it, by the Whisper that comes with the install. Run the same command
    again after an interruption: what is finished is not done again.
    """
    environment.prepare_engines()
    from speechcli.cli import values, work  # not for --help: they bring numpy along

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
    own, of_diarizer = work.apart(values.settings(set))
    split = work.by_channel(
        channels,
        {
            "--channel": channel,
            "--diarize": diarize,
            "--diarizer": diarizer,
            "--num-speakers": num_speakers,
            "--min-speakers": min_speakers,
            "--max-speakers": max_speakers,
            "--link-speakers": link_speakers,
            "--enroll": enroll or None,
        },
    )
    counts = work.counts_of(num_speakers, min_speakers, max_speakers)
    wanted = work.Wanted(
        model,
        device,
        dtype,
        own,
        batch_size,
        model_dir,
        offline,
        attn_implementation,
        quantize,
        compile,
        chunk_size,
        revision,
        aligner,
    )
    wanted = work.with_aligner(wanted, word_timestamps, values.languages(language))
    speakers = work.diarizer_of(wanted, diarize, diarizer, of_diarizer, counts)
    question = work.Question(
        model=model,
        revision="",
        dtype=dtype,
        settings=wanted.told,
        hints=work.Hints(values.languages(language), values.hotwords(hotwords, hotwords_file), context or "", task),
        rules=work.rules(
            wanted, vad, vad_threshold, vad_min_silence_duration_ms, vad_min_speech_duration_ms, vad_speech_pad_ms
        ),
        judged=vad,
        track=track,
        channel=channel,
        clips=values.clips(clip_timestamps),
        raw=keep_raw,
        speakers=counts,
        split=split,
    )
    sources = work.Sources(tuple(audio or ()), files_from, null, recursive, values.size(max_download, "--max-download"))
    return work.work(
        sources,
        question,
        work.Rendering(
            formats,
            style,
            values.speaker_names(speaker_names),
            word_timestamps is not False,
            demanded,
            page=work.page(embed_media, references),
        ),
        wanted,
        work.Target(output, output_dir, state_dir, values.length(max_recording, "--max-recording")),
        work.Choices(overwrite, skip_existing, resume, fail_fast, dry_run, strict, quiet, verbose, progress, summary),
        speakers,
        work.Voices(values.enrolled(enroll), link_speakers),
    )
