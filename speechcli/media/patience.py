"""Calls into libraries that may hang, as one does that waits for a sound server which has stopped answering."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from speechcli.core.span import Seconds

Given = TypeVar("Given")


def within(seconds: Seconds, call: Callable[[], Given]) -> Given:
    """What `call` gives or raises, made in a thread of its own, so that Ctrl-C is heard meanwhile.

    Raises TimeoutError when that takes longer; it then goes on, and nobody sees how it ends.
    """
    done: queue.SimpleQueue[Callable[[], Given]] = queue.SimpleQueue()

    def run() -> None:
        try:
            given = call()
        except BaseException as error:
            raised = error.with_traceback(error.__traceback__)

            def again() -> Given:
                raise raised

            done.put(again)
        else:
            done.put(lambda: given)

    threading.Thread(target=run, daemon=True).start()
    try:
        answer = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    return answer()
