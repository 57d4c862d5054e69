"""Models by either engine: ready for several threads from the first call on."""

import subprocess
import sys

import pytest

FIRST_CALLS = """
import builtins, threading, time
import numpy as np
from speechcli.backends import community1, graphs

graph = graphs.opened(community1.load(community1.find()).embedding, 2, rough=True, engine="openvino")
given = {"fbank": np.zeros((1, 100, 80), np.float32), "weights": np.ones((1, 100), np.float32)}
real = builtins.__import__

def slow(name, *args, **kwargs):
    time.sleep(0.1)
    return real(name, *args, **kwargs)

builtins.__import__ = slow
threads = [threading.Thread(target=graph, args=(given,)) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


def test_the_first_calls_of_two_threads_do_not_wait_for_each_other_for_good(models):
    """OpenVINO imports numpy inside of its first call: two such calls at once would each hold what the other needs."""
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install openvino")

    done = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "done", done.stderr
