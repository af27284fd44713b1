"""Makes the models beside it, at most a few hundred bytes each; committed, so that no test needs `onnx`.

python -m venv /tmp/onnx && /tmp/onnx/bin/pip install onnx && /tmp/onnx/bin/python tests/stages/make_models.py
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, checker, helper
from onnx.helper import make_node as node
from onnx.helper import make_tensor_value_info as value

FOLDER = Path(__file__).with_name("models")
F32, U8, I64, STR = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64, TensorProto.STRING
OPSET, IR_VERSION = 13, 8


def save(name, nodes, inputs, outputs, *, opset=OPSET, initializer=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(initializer))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
    if opset == OPSET:
        checker.check_model(model, full_check=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    axes = helper.make_tensor("axes", I64, [2], [1, 2])
    # mean colour of a picture, any size, any batch; `top`, over all of it, has no batch axis
    mean = [
        node("Cast", ["frame"], ["f"], to=F32),
        node("ReduceMean", ["f"], ["mean"], axes=[1, 2], keepdims=0),
    ]
    frame = value("frame", U8, ["N", "H", "W", 3])
    save("mean", mean, [frame], [value("mean", F32, ["N", 3])])
    count = [
        *mean,
        node("ReduceSum", ["f", "axes"], ["sums"], keepdims=0),
        node("ReduceMax", ["mean"], ["top"], keepdims=0),
    ]
    save(
        "mean_top", count, [frame], [value("mean", F32, ["N", 3]), value("top", F32, [])], initializer=[axes]
    )
    # one number a picture
    brightest = [
        node("Cast", ["frame"], ["f"], to=F32),
        node("ReduceMax", ["f"], ["peak"], axes=[1, 2, 3], keepdims=0),
    ]
    save("peak", brightest, [frame], [value("peak", F32, ["N"])])
    # first axis fixed at one, and at four
    for name, batch in (("one", 1), ("four", 4)):
        x = value("frame", U8, [batch, 2, 2, 3])
        save(name, mean, [x], [value("mean", F32, [batch, 3])])
    # two inputs
    both = [value("left", F32, ["N", 3]), value("right", F32, ["N", 3])]
    save("difference", [node("Sub", ["left", "right"], ["gap"])], both, [value("gap", F32, ["N", 3])])
    # an output whose first axis is another dynamic one: how many are positive
    found = [
        node("Greater", ["x", "zero"], ["m"]),
        node("NonZero", ["m"], ["t"]),
        node("Transpose", ["t"], ["where"]),
    ]
    zero = helper.make_tensor("zero", F32, [], [0.0])
    save("found", found, [value("x", F32, ["N", 4])], [value("where", I64, ["found", 2])], initializer=[zero])
    # what benchkit cannot carry, and what no runtime knows yet
    save("text", [node("Identity", ["x"], ["y"])], [value("x", STR, ["N"])], [value("y", STR, ["N"])])
    save(
        "future",
        [node("Identity", ["x"], ["y"])],
        [value("x", F32, ["N"])],
        [value("y", F32, ["N"])],
        opset=99,
    )
    # says that it keeps the batch axis, and does not
    save("lies", found, [value("x", F32, ["N", 4])], [value("where", I64, ["N", 2])], initializer=[zero])


if __name__ == "__main__":
    main()
