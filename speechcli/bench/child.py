"""One model at work in a process of its own, asked over its stdin and answering over its stdout, a line of JSON each.

The first line asks for the engines (`asked`), each one after it for a recording. It answers "refused" and ends, or
"loaded" and "warm"; then for each recording "going" now and then, and "done" or "failed". It ends when its stdin does,
so that it never outlives who asked. Whatever else is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from speechcli import api
from speechcli.api import Diarization, Options
from speechcli.bench import meters
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Stage, Transcript
from speechcli.errors import SpeechcliError, UsageError
from speechcli.formats import jsondoc
from speechcli.jobs import batch, run
from speechcli.jobs.job import Job, Question
from speechcli.timeline.windows import Rules

Message: TypeAlias = Mapping[str, Any]
Tell: TypeAlias = Callable[[Message], None]

_EVERY: Seconds = 0.5  # at most, somebody is told how far a recording is: telling is work too
_BUG = 70  # sysexits EX_SOFTWARE


def asked(options: Options | Diarization, warm_up: Path, seconds: Seconds) -> Message:
    """The first line. warm_up: a recording, of which the first `seconds` are heard before anything is timed.

    Raises UsageError for what the model is not asked alone.
    """
    if isinstance(options, Diarization) and (options.transcript is not None or options.enroll or options.link_speakers):
        raise UsageError("transcript, enroll and link_speakers are not measured", "leave them out")
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    given["settings"] = dict(options.settings)
    given["model_dir"] = None if options.model_dir is None else str(options.model_dir)
    if isinstance(options, Options) and options.rules is not None:
        given["rules"] = {field.name: getattr(options.rules, field.name) for field in fields(Rules)}
    return {"does": type(options).__name__, "options": given, "warm_up": str(warm_up), "seconds": seconds}


def options_of(message: Message) -> Options | Diarization:
    """The options of a first line; lists where tuples were."""
    given = dict(message["options"])
    given["model_dir"] = None if given["model_dir"] is None else Path(given["model_dir"])
    if message["does"] == Diarization.__name__:
        return Diarization(**given)
    given["rules"] = None if given["rules"] is None else Rules(**given["rules"])
    return Options(**given)


def main() -> None:
    """Does not return."""
    handle = os.dup(1)
    os.dup2(2, 1)  # what engines print must not come between the lines
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True, name="listen").start()
    code = 0
    with open(handle, "w", encoding="utf-8") as out:

        def tell(message: Message) -> None:
            out.write(json.dumps(message) + "\n")
            out.flush()

        try:
            _work(lines, tell)
        except BrokenPipeError:
            pass  # nobody listens any more
        except Exception:  # a bug; the last line says which
            traceback.print_exc()
            code = _BUG
        # not a return: engines at work in other threads abort when the interpreter ends under them
        os._exit(code)


def _listen(lines: SimpleQueue[bytes]) -> None:
    """Until nobody can ask any more: then the process ends, whatever it is at."""
    with open(0, "rb", closefd=False) as asking:
        for line in asking:
            lines.put(line)
    os._exit(0)


def _work(lines: SimpleQueue[bytes], tell: Tell) -> None:
    first = json.loads(lines.get())
    options = options_of(first)
    with meters.opened() as meter:
        try:
            question, engines = api.opened(options)
            tell({"event": "loaded", **_facts(engines)})
            began = time.perf_counter()
            _hear(_warming(Path(first["warm_up"]), question, first["seconds"]), engines, lambda message: None)
            tell({"event": "warm", "seconds": time.perf_counter() - began, **_read(meter, engines)})
        except SpeechcliError as error:
            tell({"event": "refused", "error": str(error)})
            return
        while True:
            wanted = json.loads(lines.get())
            job = _job(Path(wanted["path"]), wanted["name"], question)
            tell({**_measured(job, engines, meter, tell), **_read(meter, engines)})


def _measured(job: Job, engines: batch.Engines, meter: meters.Meters, tell: Tell) -> Message:
    cpu = meters.cpu_seconds()
    meter.begin()
    try:
        heard = _hear(job, engines, tell)
    except SpeechcliError as error:
        return {"event": "failed", "error": str(error)}
    except Exception as error:  # a bug, or an engine's: of this recording, and others may do well
        traceback.print_exc()
        return {"event": "failed", "error": f"internal error: {type(error).__name__}: {error}"}
    finally:
        meter.end()
    return {"event": "done", **heard, "cpu": meters.cpu_seconds() - cpu}


def _hear(job: Job, engines: batch.Engines, tell: Tell) -> Message:
    """seconds: from opening the file until the transcript is finished. first: until the first window with words was.

    Windows share batches as they do in a batch of files, for the speed is that of a batch: whoever reads along
    (`transcribe -o -`) has the first words sooner, and all of them later. Raises the failure of the recording.
    """
    began = told = time.perf_counter()
    first: Seconds | None = None
    seconds: Seconds = 0.0
    transcript: Transcript | None = None
    for event in batch.worked([job], engines):
        now = time.perf_counter()
        match event:
            case run.Group(_, answers) if first is None:
                if any(segment.text.strip() for answer in answers for segment in answer.heard.segments):
                    first = now - began
            case batch.Progress(_, done, duration) if now - told >= _EVERY or duration is not None:
                told = now
                tell({"event": "going", "done": done, "duration": duration})
            case batch.Finished():
                transcript, seconds = event.transcript, now - began
            case run.Failed(_, error):
                raise error
    assert transcript is not None
    return {"seconds": seconds, "first": first, "transcript": "".join(jsondoc.document(transcript))}


def _job(path: Path, name: str, question: Question) -> Job:
    return Job(path, name, name, question, (), path.parent, None)


def _warming(path: Path, question: Question, seconds: Seconds) -> Job:
    """The same question, but for the track, the channel and the clips of the recordings that are measured."""
    question = replace(question, track=None, channel=None, clips=(Span(0.0, seconds),), split=False)
    return _job(path, path.name, question)


def _stages(engines: batch.Engines) -> list[Stage]:
    """Who is at work, the model that is measured first."""
    others = [engine.stage for engine in (engines.aligner, engines.diarizer) if engine is not None]
    ear = engines.transcriber.stage
    return others if ear.stage == "listen" and others else [ear, *others]


def _facts(engines: batch.Engines) -> Message:
    first, *others = _stages(engines)
    beside = [(stage.stage, f"{stage.model} {stage.revision}".strip()) for stage in others]
    return {
        "model": first.model,
        "revision": first.revision,
        "device": first.engine,
        "settings": [*first.settings, *beside],
    }


def _read(meter: meters.Meters, engines: batch.Engines) -> Message:
    read = meter.read(any("cuda" in stage.engine for stage in _stages(engines)))
    return {
        "memory": read.memory,
        "device_memory": read.device_memory,
        "energy": read.energy,
        "notes": list(read.notes),
    }


if __name__ == "__main__":
    main()
