"""Makes `classify.onnx` beside it: a small convolutional network whose weights are drawn, not trained.

pip install onnx numpy
python scenarios/models/naver/make.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
WIDTHS = (16, 24, 32, 32)
"""Channels of each 3x3 convolution, all with stride 2."""
CLASSES = 10
SEED = 8


def main() -> None:
    """Weights by He et al. (ICCV 2015): deviation sqrt(2 / fan-in), so that no layer dies or explodes."""
    rng = np.random.default_rng(SEED)
    nodes, constants = [], []

    def constant(name: str, shape: tuple[int, ...], deviation: float) -> str:
        value = (rng.standard_normal(shape) * deviation).astype(np.float32)
        constants.append(numpy_helper.from_array(value, name))
        return name

    before, x = 3, "picture"
    for at, width in enumerate(WIDTHS):
        weight = constant(f"w{at}", (width, before, 3, 3), (2 / (9 * before)) ** 0.5)
        bias = constant(f"b{at}", (width,), 0.05)
        nodes.append(
            helper.make_node(
                "Conv", [x, weight, bias], [f"c{at}"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"r{at}"]))
        before, x = width, f"r{at}"
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    weight = constant("w", (CLASSES, before), before**-0.5)
    nodes.append(helper.make_node("Gemm", ["flat", weight], ["logits"], transB=1))
    nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=1))
    graph = helper.make_graph(
        nodes, "classify",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES])],
        constants,
    )  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="benchkit"
    )
    helper.set_model_props(model, {"made_by": "scenarios/models/naver/make.py", "trained": "no"})
    onnx.checker.check_model(model, full_check=True)
    (HERE / "classify.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
