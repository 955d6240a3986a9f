"""The training: a pool of pictures that is renewed all the time, a person who clicks up to five times, two sizes."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from core.device import choose_device, numpy_rng
from core.features.extract import activation_maps
from core.segmentation.photo_features import STRIDES, FeatureStatistics, PhotoFeatures
from tools.mini_click.lessons import Lesson, lesson
from tools.mini_click.network import ClickNet, loss
from tools.mini_click.sources import picture
from tools.mini_click.stuff import LabelledPicture
from tools.mini_model.training import Average, Log, Pair, rate, restore, save


@dataclass(frozen=True)
class Plan:
    """``batch`` windows of ``side`` pixels a step, ``large`` pixels in the last ``late`` share of the time."""

    minutes: float
    seed: int = 0
    batch: int = 8
    side: int = 128
    large: int = 160
    late: float = 0.2
    peak: float = 0.02
    peak_rest: float = 2e-3
    pool: int = 200
    renew: int = 1
    """Pictures that each step replaces."""
    clicks: int = 4
    sheet_every: int = 800
    start: Path | None = None
    """Shipped weights to go on from."""
    decay: float = 0.999
    statistics: int = 60
    """Pictures from which the maps' mean and spread are taken."""


Seen = tuple[LabelledPicture, PhotoFeatures]


def feature_statistics(seed: int, count: int) -> FeatureStatistics:
    """Mean and spread of the pretrained maps' channels over ``count`` pictures; the same for the same seed."""
    found = [activation_maps(picture(numpy_rng(seed, "statistics", k)).image) for k in range(count)]
    rows = [np.concatenate([maps[j].reshape(-1, maps[j].shape[2]) for maps in found]) for j in range(3)]
    means = [r.mean(0).astype(np.float32) for r in rows]
    spreads = [(r.std(0) + 1e-3).astype(np.float32) for r in rows]
    return FeatureStatistics((means[0], means[1], means[2]), (spreads[0], spreads[1], spreads[2]))


def named_statistics(statistics: FeatureStatistics) -> dict[str, Tensor]:
    """As the shipped file names them."""
    rows = zip(STRIDES, statistics.means, statistics.spreads, strict=True)
    return {f"{kind}{s}": torch.from_numpy(one) for s, m, d in rows for kind, one in (("mean", m), ("spread", d))}


class Course:
    """Model, optimiser, average, step and time worked; resumable."""

    def __init__(self, work: Path, plan: Plan) -> None:
        work.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(plan.seed)
        self.work, self.plan = work, plan
        self.device = choose_device("auto")
        self.model = ClickNet().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        kernels = [c.weight for name, c in self.model.convolutions.items() if name != "head"]
        rest = [p for p in self.model.parameters() if all(p is not kernel for kernel in kernels)]
        self.optimiser = Pair(kernels, rest, plan.peak, plan.peak_rest)
        self.average = Average(self.model, plan.decay)
        self.statistics = feature_statistics(plan.seed, plan.statistics)
        self.step, self.lessons, worked = 0, 0, 0.0
        state = restore(work / "checkpoint.pt")
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimiser.load(state["optimiser"])
            self.average.load(state["average"])
            self.step, self.lessons, worked = state["step"], state["lessons"], state["worked"]
        self.log = Log(work / "log.jsonl", worked)
        # The n-th picture is the same in every run, so a resumed one sees what it would have seen.
        self.pool: deque[Seen] = deque(self._picture(self.step * plan.renew + k) for k in range(plan.pool))
        if state is None and plan.start is not None:
            self._start(plan.start)

    @property
    def done(self) -> float:
        """Share of the time that is over, 0..1."""
        return min(1.0, self.log.worked / (60 * self.plan.minutes))

    def keep(self) -> None:
        """Write the checkpoint."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(), "optimiser": self.optimiser.state(), "average": self.average.state(),
            "statistics": named_statistics(self.statistics), "step": self.step, "lessons": self.lessons,
            "worked": self.log.worked, "device": _named(self.device),
        }  # fmt: skip
        save(self.work / "checkpoint.pt", state)

    def _picture(self, number: int) -> Seen:
        made = picture(numpy_rng(self.plan.seed, "picture", number))
        return made, PhotoFeatures(made.image, self.statistics)

    def _start(self, folder: Path) -> None:
        """Go on from shipped weights, which may lack the pretrained network's maps."""
        weights = {name: one.float() for name, one in load_file(folder / "model.safetensors").items()}
        batch = self._batch(numpy_rng(self.plan.seed, "start"), self.plan.side, 48)
        self.model.start_from(weights, *self._given(batch))
        self.average = Average(self.model, self.plan.decay)

    def take(self) -> dict[str, float]:
        """One step: a batch of lessons, a few clicks each; loss and IoU after the first and last click."""
        plan = self.plan
        rng = numpy_rng(self.plan.seed, "step", self.step)
        late = self.done > 1 - plan.late
        side, count = (plan.large, plan.batch // 2) if late else (plan.side, plan.batch)
        batch = self._batch(rng, side, count)
        rounds = int(rng.choice(plan.clicks, p=np.array([0.3, 0.3, 0.2, 0.2])[: plan.clicks])) + 1
        truths = torch.from_numpy(np.stack([one.truth for one in batch])[:, None].astype(np.float32)).to(self.device)
        figures: dict[str, float] = {}
        for k in range(rounds):
            logits, value = self._learn(batch, truths)
            found = (logits[:, 0] > 0).cpu().numpy()
            figures["iou_1" if k == 0 else "iou_n"] = _mean_iou(found, batch)
            figures["loss"] = value
            for one, mask in zip(batch, found, strict=True):
                one.correct(mask)
        self.pool.extend(self._picture(self.step * plan.renew + plan.pool + k) for k in range(plan.renew))
        for _ in range(plan.renew):
            self.pool.popleft()
        self.step += 1
        self.lessons += count * rounds
        return figures

    def _batch(self, rng: np.random.Generator, side: int, count: int) -> list[Lesson]:
        batch: list[Lesson] = []
        while len(batch) < count:
            one = lesson(*self.pool[int(rng.integers(len(self.pool)))], side, rng)
            if one is not None:
                batch.append(one)
        return batch

    def _given(self, batch: list[Lesson]) -> tuple[Tensor, list[Tensor]]:
        def stacked(arrays: list[NDArray[np.float32]]) -> Tensor:
            made = torch.from_numpy(np.stack(arrays)).to(self.device)
            return made.contiguous(memory_format=torch.channels_last)

        maps = [one.features() for one in batch]
        return stacked([one.inputs() for one in batch]), [stacked([m[k] for m in maps]) for k in range(3)]

    def _learn(self, batch: list[Lesson], truths: Tensor) -> tuple[Tensor, float]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.model(*self._given(batch))
        value = loss(logits.float(), truths)
        value.backward()
        self.optimiser.step(rate(int(10_000 * self.done), 10_000))
        self.average.update(self.model)
        return logits.detach(), float(value.detach())

    @torch.no_grad()
    def sheet(self) -> None:
        """What the averaged network makes of eight windows after one and three clicks, as a picture."""
        model = ClickNet().to(self.device)
        model.load_state_dict(self.average.weights)
        model.eval()
        batch = self._batch(numpy_rng(self.plan.seed, "sheet"), 160, 8)
        columns = [[_drawn(one, one.truth) for one in batch]]
        for _ in range(3):
            found = (model(*self._given(batch))[:, 0] > 0).cpu().numpy()
            columns.append([_drawn(one, mask) for one, mask in zip(batch, found, strict=True)])
            for one, mask in zip(batch, found, strict=True):
                one.correct(mask)
        rows = np.concatenate([np.concatenate(column, 1) for column in columns])
        cv2.imwrite(str(self.work / f"sheet_{self.step:06d}.png"), rows[..., ::-1])


def train(work: Path, plan: Plan) -> None:
    """Train for ``plan.minutes`` in all, over restarts."""
    course = Course(work, plan)
    told = time.perf_counter()
    sums: dict[str, list[float]] = {}
    while course.done < 1:
        for name, value in course.take().items():
            sums.setdefault(name, []).append(value)
        if course.step % plan.sheet_every == 0:
            course.sheet()
        if time.perf_counter() - told > 20 or course.done >= 1:
            told = time.perf_counter()
            means = {name: round(float(np.mean(values)), 4) for name, values in sums.items()}
            course.log.line(step=course.step, lessons=course.lessons, **means)
            sums.clear()
            course.keep()
    course.sheet()
    course.keep()


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads()} CPU thread(s)"


def _mean_iou(found: np.ndarray, batch: list[Lesson]) -> float:
    truth = np.stack([one.truth for one in batch])
    union = np.maximum((found | truth).sum((1, 2)), 1)
    return float(((found & truth).sum((1, 2)) / union).mean())


def _drawn(one: Lesson, mask: np.ndarray) -> np.ndarray:
    picture = one.window.copy()
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outline, -1, (255, 220, 0), 1)
    for click in one.clicks:
        cv2.circle(picture, (round(click.x), round(click.y)), 3, (0, 255, 0) if click.positive else (255, 0, 0), -1)
    if one.box is not None:
        x0, y0, x1, y1 = (round(v) for v in one.box)
        cv2.rectangle(picture, (x0, y0), (x1, y1), (0, 160, 255), 1)
    return picture
