"""The dam's two networks in PyTorch, and as ONNX graphs made node by node from their weights."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

ROWS, COLUMNS = 320, 160
"""What the level network samples of a frame, whatever the frame's size."""
WIDTHS = ((24, 2, 1), (32, 2, 1), (48, 1, 1), (48, 1, 2), (48, 1, 4))
"""Channels, stride and dilation of each 3x3 convolution."""
POINTS = 16
TOP_M = 3.1
VIEW_M = 5.4
"""Height of the gauge's top, and what a frame shows from top to bottom at zoom 1."""


class LevelNet(nn.Module):
    """Finds points in the picture, the waterline and the gauge's top among them, and reads the level off."""

    def __init__(self) -> None:
        super().__init__()
        before, layers = 3, []
        for channels, stride, dilation in WIDTHS:
            layers += [
                nn.Conv2d(before, channels, 3, stride, dilation, dilation, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
            before = channels
        self.body = nn.Sequential(*layers)
        self.points = nn.Conv2d(before, POINTS, 1)
        self.zoom = nn.Sequential(nn.Linear(2 * POINTS, 48), nn.ReLU(), nn.Linear(48, 2))
        self.register_buffer("grid", torch.from_numpy(grid()))

    def forward(self, sampled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Level (N, 1), points (N, 2 * POINTS), zoom (N, 1) of pictures (N, 3, ROWS, COLUMNS) in -1 to 1."""
        heat = self.points(self.body(sampled)).flatten(2).softmax(2)
        points = (heat @ self.grid).flatten(1)
        zoom, rest = self.zoom(points - 0.5).split(1, 1)
        zoom = 1 + 0.1 * zoom
        level = TOP_M - VIEW_M * (points[:, 0:1] - points[:, 2:3]) / zoom + 0.1 * rest
        return level, points, zoom


class SensorNet(nn.Module):
    """Two strided convolutions along time and a linear read-out of the newest end."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        super().__init__()
        channels = len(mean)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        self.first = nn.Conv1d(channels, 24, 5, 2, 2)
        self.second = nn.Conv1d(24, 16, 5, 2, 2)
        self.out = nn.Linear(16 * 36, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Level (N, 1) in metres of windows (N, 144, 12)."""
        normal = ((window - self.mean) / self.deviation).clamp(-6, 6).transpose(1, 2)
        hidden = self.second(self.first(normal).relu()).relu()
        return self.out(hidden.flatten(1)) + 1.5


def grid() -> np.ndarray:
    """Row and column of every place in the last map as shares of the picture: (places, 2) float32."""
    rows, columns = ROWS // 4, COLUMNS // 4
    down, across = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return np.stack([(down + 0.5) / rows, (across + 0.5) / columns], axis=-1).reshape(-1, 2)


class Graph:
    """Collects nodes and constants; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray | torch.Tensor) -> str:
        """An initializer."""
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """A node with one output."""
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def model(
        self, given: onnx.ValueInfoProto, taken: onnx.ValueInfoProto, facts: dict[str, str]
    ) -> onnx.ModelProto:
        """The checked model with `facts` as its metadata."""
        graph = helper.make_graph(self.nodes, "dam", [given], [taken], self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="benchkit"
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model, full_check=True)
        return model


def sampled_indices(count: int, length: int) -> np.ndarray:
    """The middle of each of `count` even parts of `length` pixels, as the ONNX graph computes it."""
    return (2 * np.arange(count) + 1) * length // (2 * count)


def _sample(graph: Graph, frame: str, shape: str, axis: int, count: int) -> str:
    """`count` evenly spaced rows or columns: copies of bytes, no arithmetic on the whole frame."""
    length = graph.add("Gather", shape, graph.constant(np.array([axis], np.int64)), axis=0)
    odd = graph.constant(2 * np.arange(count, dtype=np.int64) + 1)
    index = graph.add("Div", graph.add("Mul", odd, length), graph.constant(np.array([2 * count], np.int64)))
    return graph.add("Gather", frame, index, axis=axis)


def level_graph(net: LevelNet, facts: dict[str, str]) -> onnx.ModelProto:
    """`frame` uint8 (N, H, W, 3) of any size -> `level_m` float32 (N, 1), batch normalisation folded in."""
    g = Graph()
    shape = g.add("Shape", "frame")
    small = _sample(g, _sample(g, "frame", shape, 1, ROWS), shape, 2, COLUMNS)
    real = g.add("Cast", g.add("Transpose", small, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    x = g.add("Mul", real, g.constant(np.float32(1 / 127.5)))
    x = g.add("Sub", x, g.constant(np.float32(1)))
    for at, (_, stride, dilation) in enumerate(WIDTHS):
        convolution, normal = net.body[3 * at], net.body[3 * at + 1]
        scale = normal.weight / torch.sqrt(normal.running_var + normal.eps)
        weight = convolution.weight * scale[:, None, None, None]
        bias = normal.bias - normal.running_mean * scale
        x = g.add(
            "Conv", x, g.constant(weight), g.constant(bias), kernel_shape=[3, 3], strides=[stride] * 2,
            dilations=[dilation] * 2, pads=[dilation] * 4,
        )  # fmt: skip
        x = g.add("Relu", x)
    heat = g.add("Conv", x, g.constant(net.points.weight), g.constant(net.points.bias), kernel_shape=[1, 1])
    heat = g.add("Reshape", heat, g.constant(np.array([0, POINTS, -1], np.int64)))
    found = g.add("MatMul", g.add("Softmax", heat, axis=2), g.constant(grid()))
    points = g.add("Reshape", found, g.constant(np.array([0, 2 * POINTS], np.int64)))
    x = g.add("Sub", points, g.constant(np.float32(0.5)))
    x = g.add(
        "Relu", g.add("Gemm", x, g.constant(net.zoom[0].weight), g.constant(net.zoom[0].bias), transB=1)
    )
    x = g.add("Gemm", x, g.constant(net.zoom[2].weight), g.constant(net.zoom[2].bias), transB=1)
    x = g.add("Mul", x, g.constant(np.float32(0.1)))
    zoom, rest = (g.add("Gather", x, g.constant(np.array([at], np.int64)), axis=1) for at in (0, 1))
    zoom = g.add("Add", zoom, g.constant(np.float32(1)))
    line, top = (g.add("Gather", points, g.constant(np.array([at], np.int64)), axis=1) for at in (0, 2))
    below = g.add("Mul", g.add("Sub", line, top), g.constant(np.float32(VIEW_M)))
    read = g.add("Sub", g.constant(np.float32(TOP_M)), g.add("Div", below, zoom))
    g.add("Add", read, rest, output="level_m")
    return g.model(
        helper.make_tensor_value_info("frame", TensorProto.UINT8, ["N", "H", "W", 3]),
        helper.make_tensor_value_info("level_m", TensorProto.FLOAT, ["N", 1]),
        facts,
    )


def sensor_graph(net: SensorNet, facts: dict[str, str]) -> onnx.ModelProto:
    """`window` float32 (N, 144, 12) -> `level_m` float32 (N, 1)."""
    g = Graph()
    x = g.add("Div", g.add("Sub", "window", g.constant(net.mean)), g.constant(net.deviation))
    x = g.add("Clip", x, g.constant(np.float32(-6)), g.constant(np.float32(6)))
    x = g.add("Transpose", x, perm=[0, 2, 1])
    for layer in (net.first, net.second):
        x = g.add(
            "Conv",
            x,
            g.constant(layer.weight),
            g.constant(layer.bias),
            kernel_shape=[5],
            strides=[2],
            pads=[2, 2],
        )
        x = g.add("Relu", x)
    x = g.add("Flatten", x, axis=1)
    g.add("Gemm", x, g.constant(net.out.weight), g.constant(net.out.bias + 1.5), transB=1, output="level_m")
    return g.model(
        helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", 144, 12]),
        helper.make_tensor_value_info("level_m", TensorProto.FLOAT, ["N", 1]),
        facts,
    )
