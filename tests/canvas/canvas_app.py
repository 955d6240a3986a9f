"""A small Gradio app around the canvas: a made-up photo of discs, a made-up segmenter, one store per session.

python tests/canvas/canvas_app.py PORT [--size 1200x800]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import gradio as gr
import numpy as np

from app import modules
from app.canvas import protocol
from app.canvas.canvas import FLUSH_JS, MaskCanvas
from core.errors import InputError
from core.masks import rle

COLORS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7")


class Bench:
    """Photos of discs on a grid; disc (i, j) is what the segmenter finds around a click."""

    def __init__(self, width: int, height: int, folder: Path) -> None:
        self.width, self.height, self.folder = width, height, folder
        self.pitch = min(width, height) / 4
        self.radius = self.pitch * 0.36
        self.slow: dict[str, float] = {}
        self.masks: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        for name, tint in (("a", 150), ("b", 190)):
            cv2.imwrite(str(folder / f"{name}.png"), self.draw(tint), [cv2.IMWRITE_PNG_COMPRESSION, 1])

    def centre(self, x: float, y: float) -> tuple[float, float]:
        return (int(x // self.pitch) + 0.5) * self.pitch, (int(y // self.pitch) + 0.5) * self.pitch

    def draw(self, tint: int) -> np.ndarray:
        rng = np.random.default_rng(tint)
        small = rng.normal(0, 1, (self.height // 8 + 1, self.width // 8 + 1)).astype(np.float32)
        grain = cv2.resize(small, (self.width, self.height), interpolation=cv2.INTER_CUBIC) * 5
        ys, xs = np.mgrid[: self.height, : self.width].astype(np.float32)
        photo = np.stack([tint - 20 + grain + 14 * xs / self.width] * 3, -1)
        photo += np.array([4, 2, 0], np.float32)
        dist = np.hypot(xs % self.pitch - self.pitch / 2, ys % self.pitch - self.pitch / 2)
        for scale, level in ((1.0, 96), (0.72, 128), (0.36, 52)):
            photo[dist < self.radius * scale] = (level + 6, level, level - 8)
        return np.clip(photo, 0, 255).astype(np.uint8)

    def spans(self, cx: float, cy: float, radius: float) -> list[tuple[int, int, int]]:
        """(row, first column, end column) of a disc: pixels whose centre is inside."""
        rows = np.arange(max(0, int(cy - radius)), min(self.height, int(cy + radius) + 2))
        half = np.sqrt(np.maximum(0, radius**2 - (rows + 0.5 - cy) ** 2))
        x0 = np.maximum(0, np.ceil(cx - half - 0.5)).astype(int)
        x1 = np.minimum(self.width, np.floor(cx + half - 0.5) + 1).astype(int)
        return [s for s in zip(rows.tolist(), x0.tolist(), x1.tolist(), strict=True) if s[2] > s[1]]

    def runs(self, spans: list[tuple[int, int, int]]) -> list[int]:
        """Run lengths of the union of row spans."""
        out, at = [], 0
        for start, end in sorted((y * self.width + x0, y * self.width + x1) for y, x0, x1 in spans):
            if start > at or not out:
                out += [start - at, end - start]
            else:
                out[-1] += max(0, end - at)
            at = max(at, end)
        return [*out, self.width * self.height - at] if at < self.width * self.height else out

    def segment(self, data: dict[str, Any]) -> dict[str, Any]:
        query = protocol.parse_segment(data, self.width, self.height)
        start = time.perf_counter()
        time.sleep(self.slow.get(query.sid, 0.0))
        if self.slow.get(query.sid):
            self.slow[query.sid] = 0.05  # only the first answer is slow: it comes after the second
        cells: dict[tuple[float, float], bool] = {}
        for point in query.points:
            cells[self.centre(point.x, point.y)] = point.positive
        found = []
        for share in (1.0, 0.72, 0.36):
            spans = [s for c, on in cells.items() if on for s in self.spans(*c, self.radius * share)]
            if query.box_xyxy:
                x0, y0, x1, y1 = (round(v) for v in query.box_xyxy)
                spans += [(y, x0, x1) for y in range(y0, y1)]
            found.append((self.runs(spans), 0.9 * share))
        return protocol.segment_reply(found, query.seq, "discs", 1000 * (time.perf_counter() - start))

    def preview(self, data: dict[str, Any]) -> dict[str, Any]:
        return {**self.segment(data), "ready": True}

    def put_mask(self, data: dict[str, Any]) -> dict[str, Any]:
        update = protocol.parse_mask(data, self.width, self.height)
        with self.lock:
            if update.sid not in self.masks:
                raise InputError("session: expected an open one; reload the page")
            self.masks[update.sid][update.image_id] = update
        return protocol.mask_reply(update)

    def value(self, sid: str, image_id: str, **extra: Any) -> dict[str, Any]:
        update = self.masks[sid].get(image_id)
        regions = []
        for k, (i, j) in enumerate(((0, 0), (2, 1), (3, 2))):
            runs = self.runs(self.spans((i + 0.5) * self.pitch, (j + 0.5) * self.pitch, self.radius))
            regions.append({"name": f"disc {k + 1}", "color": COLORS[k], "rle": runs})
        return protocol.canvas_value(
            image_id,
            f"/gradio_api/file={self.folder}/{image_id}.png",
            self.width,
            self.height,
            sid,
            **{"mask_rle": update.runs if update else None, "regions": regions, "segmenter": "discs", **extra},
        )


def build(bench: Bench) -> gr.Blocks:
    with gr.Blocks(title="Canvas") as demo:
        canvas = MaskCanvas(
            handlers={"segment": bench.segment, "preview": bench.preview, "put_mask": bench.put_mask}, elem_id="mc"
        )
        with gr.Row():
            area = gr.Button("Generate", elem_id="generate")
            slow = gr.Button("Slow", elem_id="slow")
            push = gr.Button("Push", elem_id="push")
            other = gr.Button("Other", elem_id="other")
            fixed = gr.Button("Readonly", elem_id="fixed")
            fresh = gr.Button("Fresh", elem_id="fresh")
            lose = gr.Button("Lose", elem_id="lose")
        seen = gr.Textbox(label="Seen", elem_id="seen", interactive=True)
        word = gr.Textbox(label="Event", elem_id="event")

        def start(request: gr.Request) -> dict[str, Any]:
            sid = request.query_params.get("project") or request.session_hash or ""
            bench.masks.setdefault(sid, {})
            return bench.value(sid, "a")

        def server_area(value: dict[str, Any]) -> str:
            update = bench.masks.get(value["sid"], {}).get(value["image_id"])
            return str(update.area if update else 0)

        def make_slow(value: dict[str, Any]) -> str:
            bench.slow[value["sid"]] = 1.2
            return "slow"

        def push_mask(value: dict[str, Any]) -> dict[str, Any]:
            mask = np.zeros((bench.height, bench.width), bool)
            mask[10:20, 10:30] = True
            return bench.value(value["sid"], value["image_id"], mask_rle=rle.encode(mask))

        def tell(name: str) -> Any:
            def handler(event: gr.EventData) -> str:
                return name + " " + repr({k: v for k, v in sorted(event._data.items())})

            return handler

        def turn(value: dict[str, Any]) -> dict[str, Any]:
            return bench.value(value["sid"], "b" if value["image_id"] == "a" else "a")

        def renew() -> dict[str, Any]:
            sid = uuid.uuid4().hex
            bench.masks[sid] = {}
            return bench.value(sid, "a")

        demo.load(start, None, canvas)
        fresh.click(renew, None, canvas)
        area.click(server_area, [canvas], seen, js=FLUSH_JS)
        slow.click(make_slow, [canvas], word)
        push.click(push_mask, [canvas], canvas)
        other.click(turn, [canvas], canvas)
        fixed.click(lambda v: bench.value(v["sid"], v["image_id"], readonly=True), [canvas], canvas)
        lose.click(lambda v: "lost" if bench.masks.pop(v["sid"]) is not None else "", [canvas], word)
        canvas.next_photo(turn, [canvas], canvas)
        for name in ("confirmed", "region_moved", "region_picked", "previous_photo"):
            getattr(canvas, name)(tell(name), None, word)
    return demo


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--size", default="1200x800")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        gr.set_static_paths([folder])
        demo = build(Bench(width, height, Path(folder)))
        routes = {"routes": modules.routes()}
        demo.launch(server_port=args.port, quiet=True, ssr_mode=False, footer_links=[], app_kwargs=routes)


if __name__ == "__main__":
    main()
