"""Trains the dam's two models on what benchkit's own sources render; writes them as ONNX beside this file.

Run from the repository: `pip install -e . torch onnx`, then
`python scenarios/models/dam/train.py [level] [sensors]`. Minutes on two cores, no GPU. Seeds are fixed; the
held-out figures come from seeds that training never saw, through onnxruntime, on frames at full size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from networks import COLUMNS, ROWS, TOP_M, LevelNet, SensorNet, level_graph, sampled_indices, sensor_graph
from torch import nn
from torch.nn import functional

from benchkit.sources.camera import View
from benchkit.sources.sensors import Sensors

Export = Callable[..., onnx.ModelProto]
Measure = Callable[[onnxruntime.InferenceSession], dict[str, dict[str, float]]]

HERE = Path(__file__).parent
TRAINING = {(640, 360): 800, (768, 576): 300, (1920, 1080): 200}
"""Scenes (seeds) rendered at each size; five frames of each."""
HELD_OUT = {(1920, 1080): 100, (640, 360): 100}
FRAMES = 5
FIRST_HELD_OUT_SEED = 1_000_000
EPOCHS = 10
BATCH = 32


def say(text: str) -> None:
    """One line of progress."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def render(seed: int, size: tuple[int, int]) -> tuple[list[np.ndarray], list[list[float]]]:
    """A scene's frames, sampled, with (level, waterline, gauge top, gauge column, zoom) of each."""
    rng = np.random.default_rng([seed, 7])
    view = View(seed, size, float(rng.uniform(0.5, 3.5)))
    place, pictures, truths = view.layout, [], []
    rows, columns = sampled_indices(ROWS, size[1]), sampled_indices(COLUMNS, size[0])
    for _ in range(FRAMES):
        frame, level = view.frame(float(rng.uniform(0, 100)), float(rng.uniform(0.15, 2.85)))
        pictures.append(frame[rows][:, columns].transpose(2, 0, 1).copy())
        shares = place.row(level) / size[1], place.row(TOP_M) / size[1], place.gauge_column / size[0]
        truths.append([level, *shares, place.px_per_m * 5.4 / size[1]])
    return pictures, truths


def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (n, 3, ROWS, COLUMNS) uint8 and truths (n, 5) float32 of all training scenes."""
    pictures, truths, seed = [], [], 0
    for size, count in TRAINING.items():
        for _ in range(count):
            more, known = render(seed, size)
            pictures += more
            truths += known
            seed += 1
    return torch.from_numpy(np.stack(pictures)), torch.tensor(truths, dtype=torch.float32)


def level_loss(net: LevelNet, pictures: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The level's error, and how far the two named points and the zoom are off."""
    level, points, zoom = net(pictures.float() / 127.5 - 1)
    named = truth[:, [1, 3, 2, 3]]  # waterline and gauge top, each with the gauge's column
    aside = functional.smooth_l1_loss(points[:, :4], named, beta=0.01)
    return (
        functional.smooth_l1_loss(level, truth[:, :1], beta=0.02)
        + 20 * aside
        + 5 * functional.smooth_l1_loss(zoom, truth[:, 4:], beta=0.01)
    )


def jittered(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Brightness and colour of each picture drawn anew, so that the net does not rely on them."""
    gain = 1 + 0.15 * (2 * torch.rand(len(pictures), 3, 1, 1, generator=generator) - 1)
    return (pictures * gain).clamp(0, 255)


def train_level() -> LevelNet:
    """The level network after `EPOCHS` rounds over the training scenes."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    started = time.perf_counter()
    pictures, truths = scenes()
    say(f"rendered {len(pictures)} pictures in {time.perf_counter() - started:.0f} s")
    net = LevelNet().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(pictures) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(EPOCHS):
        total, order = 0.0, torch.randperm(len(pictures), generator=generator)
        for chosen in order[: len(order) // BATCH * BATCH].split(BATCH):
            loss = level_loss(net, jittered(pictures[chosen].float(), generator), truths[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        say(f"epoch {epoch}: loss {total / (len(order) // BATCH):.4f}, {time.perf_counter() - started:.0f} s")
    return net.eval()


def summary(errors: np.ndarray, truths: np.ndarray) -> dict[str, float]:
    """Mean absolute error, its 95th percentile, and what always answering the mean would give, in metres."""
    return {
        "mae_m": round(float(np.abs(errors).mean()), 4),
        "p95_m": round(float(np.quantile(np.abs(errors), 0.95)), 4),
        "constant_mae_m": round(float(np.abs(truths - truths.mean()).mean()), 4),
        "count": len(errors),
    }


def held_out_level(session: onnxruntime.InferenceSession) -> dict[str, dict[str, float]]:
    """Errors at each size, on frames as a run makes them (a seed's own levels, the default noise)."""
    found = {}
    for size, count in HELD_OUT.items():
        read, known = [], []
        for seed in range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + count):
            view = View(seed, size, 2.0)
            for number in range(4):
                frame, level = view.frame(number * 7.3)
                read.append(float(session.run(None, {"frame": frame[None]})[0][0, 0]))
                known.append(level)
        found[f"{size[0]}x{size[1]}"] = summary(np.array(read) - np.array(known), np.array(known))
    return found


def windows(first: int, count: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, 144, 12) and levels (n, 1), `each` from every one of `count` seeds."""
    given, known = [], []
    for seed in range(first, first + count):
        items = Sensors(stride=37).items(seed)
        for _ in range(each):
            item = next(items)
            given.append(item.arrays["window"])
            known.append([item.truth["level_m"]])
    return np.stack(given), np.array(known, np.float32)


def train_sensors() -> SensorNet:
    """The sensor network after a fixed number of steps."""
    torch.manual_seed(3)
    given, known = windows(0, 1500, 8)
    net = SensorNet(given.mean(axis=(0, 1)), given.std(axis=(0, 1)))
    inputs, targets = torch.from_numpy(given), torch.from_numpy(known)
    steps = 3000
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(inputs), (128,))
        loss = functional.smooth_l1_loss(net(inputs[chosen]), targets[chosen], beta=0.02)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            say(f"step {step}: loss {loss.item():.4f}")
    return net.eval()


def held_out_sensors(session: onnxruntime.InferenceSession) -> dict[str, dict[str, float]]:
    """Errors on windows of seeds that training never saw."""
    given, known = windows(FIRST_HELD_OUT_SEED, 300, 4)
    read = session.run(None, {"window": given})[0]
    return {"144x12": summary((read - known)[:, 0], known[:, 0])}


def write(name: str, graph: Export, net: nn.Module, held_out: Measure) -> None:
    """Export, measure through onnxruntime, export again with what was measured as metadata."""
    facts = {
        "made_by": "scenarios/models/dam/train.py",
        "output": "water level in metres above the gauge's zero",
    }
    session = onnxruntime.InferenceSession(graph(net, facts).SerializeToString())
    measured = held_out(session)
    say(f"{name}: held out {json.dumps(measured, indent=1)}")
    model = graph(net, {**facts, "held_out": json.dumps(measured, sort_keys=True)})
    path = HERE / name
    onnx.save(model, path)
    say(f"{path}: {path.stat().st_size} bytes")


def main(wanted: list[str]) -> None:
    """Train what is asked for, everything by default."""
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(mode=True)
    if not wanted or "level" in wanted:
        write("dam-level.onnx", level_graph, train_level(), held_out_level)
    if not wanted or "sensors" in wanted:
        write("dam-sensors.onnx", sensor_graph, train_sensors(), held_out_sensors)


if __name__ == "__main__":
    main(sys.argv[1:])
