"""The README's example: run as it stands, then analysed and exported as it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE = """
import multiprocessing as mp
from benchkit import trace

def producer(queue):
    for frame_id in range(300):
        frame = bytes(100_000)
        trace.produced(frame_id, payload_bytes=len(frame))  # new
        queue.put((frame_id, frame))
    queue.put(None)

def worker(queue):
    while (message := queue.get()) is not None:
        frame_id, frame = message
        trace.received(frame_id)                            # new
        level = sum(frame)
        trace.done(frame_id)                                # new

if __name__ == "__main__":
    queue = mp.Queue(8)
    mp.Process(target=producer, args=(queue,)).start()
    worker(queue)
"""


def test_the_example_is_traced_analysed_and_exported(tmp_path):
    shown = [text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "import trace" in text]
    (tmp_path / "service.py").write_text(shown[0] if shown else EXAMPLE)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

    def run(*arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, **more},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("service.py", BENCHKIT_TRACE="traces")
    told = run("-m", "benchkit", "analyze", "traces", "--carrier", "mp-queue", "--json")
    (cell,) = json.loads(told)["cells"]
    assert cell["account"]["delivered"] == 300
    assert cell["validity"]["valid"]
    assert not any(each["code"].startswith("trace-") for each in cell["validity"]["reasons"])
    run("-m", "benchkit", "export", "traces", "--format", "perfetto", "--out", "spans.json")
    assert json.loads((tmp_path / "spans.json").read_text())["traceEvents"]
