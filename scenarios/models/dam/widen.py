"""Makes `dam-sensors-40.onnx` of `dam-sensors.onnx`: windows of 40 instruments, of which it reads the first twelve.

pip install onnx numpy
python scenarios/models/dam/widen.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
CHANNELS, READ = 40, 12


def main() -> None:
    """A Gather in front of the trained graph: the first twelve instruments are one of each kind."""
    model = onnx.load(HERE / "dam-sensors.onnx")
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["read" if name == "window" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Gather", ["window", "first"], ["read"], axis=2))
    graph.initializer.append(numpy_helper.from_array(np.arange(READ, dtype=np.int64), "first"))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", 144, CHANNELS]))
    facts = {each.key: each.value for each in model.metadata_props if each.key != "held_out"}
    helper.set_model_props(model, {**facts, "made_by": "scenarios/models/dam/widen.py"})
    onnx.checker.check_model(model, full_check=True)
    (HERE / "dam-sensors-40.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
