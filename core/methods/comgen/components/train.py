"""Multi-component learning (ComGEN, eq. 4): one embedding for each component's noun; all else of the model is frozen.

Name here ↔ symbol in the paper: vectors ↔ V = [v*, v!, ...], Sentences.of ↔ y, its text with the vectors ↔ c_V(y).
The loss is the diffusion model's own over the whole picture; off_region is ours, and off by default.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed, numpy_rng, torch_generator
from core.diffusion.attention import controlled
from core.diffusion.backbone import Backbone
from core.diffusion.model_crop import resized
from core.diffusion.prompt_to_prompt import reading_side, working_shape
from core.diffusion.tokens import Placeholder, placeholders, prompt_ids, spans, vectors_of
from core.errors import Cancelled, InputError, StoreError
from core.images import png_bytes
from core.methods.comgen.components.attention_loss import Wanted, Watching, off_region
from core.methods.comgen.components.attention_maps import best_names, map_iou, maps_of, sheet
from core.methods.comgen.components.component_proposal import kinds
from core.methods.comgen.components.component_tokens import tensor_name
from core.methods.comgen.components.learning_settings import PRESETS, ComponentParams, ComponentPreset
from core.methods.comgen.components.sentences import PRODUCT, Sentences, make_sentences
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks, own_model, thinned
from core.training.checkpoints import Concept
from core.training.latents import TrainingBatchSource, TrainingSample, prepare
from core.training.loop import TrainingPlan, TrainingResult, steps_done, train
from core.types import Image, NormalImage, Region

UNKNOWN_START = "part"
"""Where a start word is none that the tokenizer knows."""
SHOWN = 4
"""Photos on which it is shown where the words look."""
_PREVIEWS = 5


@dataclass(frozen=True)
class EncodedPhoto:
    """A good part and its named regions, which may be none."""

    normal: NormalImage
    regions: tuple[Region, ...] = ()


def learn_components(
    backbone: Backbone,
    photos: Sequence[EncodedPhoto],
    params: ComponentParams,
    *,
    engine: str,
    folder: Path,
    watch: TrainingCallbacks | None = None,
) -> Concept:
    """Learn the components of ``photos`` and shelve them under ``folder``.

    ``backbone`` is float32 or bfloat16. Stopped or fallen, a run goes on from where it was when it is asked for again
    with the same photos and settings. InputError where there is nothing to learn; Cancelled within a step; StoreError.
    """
    if not photos:
        raise InputError("components: there is no photo of a good part to learn from; import some")
    watch, began = watch or TrainingCallbacks(), time.monotonic()
    names = params.names or ("" if any(p.regions for p in photos) else str(kinds([p.normal.pixels for p in photos])))
    sentences = make_sentences(names, params.title, [p.regions for p in photos], params.single)
    if params.attention and not any(p.regions for p in photos):
        raise InputError("components: region attention needs named regions; name some in Regions, or set it to 0")
    identity = checkpoints.fingerprint(backbone)
    run = folder / ".learning" / _key(engine, identity, params, photos)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{run}: cannot be written ({error.strerror}); check the folder and free space") from error
    try:
        with own_model(backbone, watch.cancelled) as model:
            tensors, report, picture = _ComponentTraining(
                model, photos, sentences, params, run / "learn.pt", watch
            ).learn()
    except Cancelled as stop:
        done = steps_done(run / "learn.pt")
        raise Cancelled(f"stopped after {done} steps; learn again with the same settings to go on") from stop
    concept = Concept(
        checkpoints.new_id("components", engine, identity, checkpoints.digest_of(tensors)),
        engine,
        "",
        ", ".join(sentences.names),
        backbone.name,
        identity,
        checkpoints.now(),
        {
            **report,
            "names": list(sentences.names),
            "counts": [chip.count for chip in sentences.base.chips],
            "title": sentences.base.title,
            "single": params.single,
            "settings": params.model_dump(mode="json"),
            "seconds": round(time.monotonic() - began, 1),
            "photos": [p.normal.id for p in photos],
        },
    )
    checkpoints.save_concept(folder, concept, tensors, {"preview": png_bytes(picture)})
    shutil.rmtree(run, ignore_errors=True)
    return concept


@dataclass
class _ComponentTraining:
    """One run: the model, what it is to learn, and from what."""

    backbone: Backbone
    photos: Sequence[EncodedPhoto]
    sentences: Sentences
    params: ComponentParams
    checkpoint: Path
    watch: TrainingCallbacks
    vectors: dict[str, nn.Parameter] = field(default_factory=dict)
    known: Backbone = field(init=False)

    def learn(self) -> tuple[dict[str, Tensor], dict[str, Any], Image]:
        """The vectors, what to note of the run, and a picture of where the words look."""
        self.vectors = self._started()
        with ExitStack() as stack:
            named = [Placeholder(word, vectors) for word, vectors in self.vectors.items()]
            self.known = stack.enter_context(placeholders(self.backbone, named))
            trained = self._trained()
            renamed = self._named_by_regions(SHOWN)
            picture, ious = self._seen(SHOWN)
        report: dict[str, Any] = {
            "preset": self.params.preset,
            "steps": trained.steps,
            "stopped_early": trained.stopped_early,
            "losses": thinned(trained.losses),
            "map_iou": ious,
            "renamed": renamed,
        }
        tensors = {tensor_name(i): value.detach() for i, value in enumerate(self.vectors.values())}
        return tensors, report, picture

    def _started(self) -> dict[str, nn.Parameter]:
        """Vectors to start from: those of each component's start word, a little apart."""
        given, out = self.params.starts(), {}
        if strange := sorted(set(given) - set(self.sentences.names)):
            raise InputError(
                f"start words: {strange[0]!r} is no component (there are: {', '.join(self.sentences.names)})"
            )
        for i, (name, word) in enumerate(self.sentences.words.items()):
            first = _start(self.backbone, given.get(name, name), self.params.tokens)
            noise = torch.randn(first.shape, generator=torch_generator(derive_seed(self.params.seed, "start", i)))
            out[word] = nn.Parameter((first + 0.1 * first.std() * noise).to(self.backbone.device))
        return out

    def _known_words(self) -> list[str]:
        """The words that start from their component's own name, in one that the model knows."""
        given, backbone = self.params.starts(), self.backbone
        names = {name: name.replace("_", " ") for name in self.sentences.names if name not in given}
        return [self.sentences.words[n] for n, text in names.items() if len(prompt_ids(backbone, text)) == 1]

    def _trained(self) -> TrainingResult:
        params, preset = self.params, PRESETS[self.params.preset]
        lessons, wanted = self._lessons(preset)
        steps = params.budget(len(self.photos))
        shown = max(1, steps // _PREVIEWS)
        seen = Watching(reading_side(self.backbone, lessons.latents)) if params.attention else None

        def news(done: int, of: int, loss: float) -> None:
            self.watch.curve("loss", done, loss)
            picture = self._seen(2)[0] if done % shown == 0 and done < steps else None
            if seen is not None:
                seen.forget()  # what the picture took
            self.watch.progress(done, steps, picture)

        def beside(_: TrainingBatchSource, rows: Tensor) -> Tensor:
            assert seen is not None
            return params.attention * off_region(seen.maps(), [wanted[int(i)] for i in rows])

        plan = TrainingPlan(
            steps, preset.batch, preset.lr, tuple((word, preset.known) for word in self._known_words()),
            warmup=preset.warmup, seed=params.seed, area_weight=False, checkpoint_every=50,
        )  # fmt: skip
        with controlled(self.backbone.unet, *([seen] if seen is not None else [])):
            return train(
                self.known,
                self.vectors,
                lessons,
                plan,
                checkpoint=self.checkpoint,
                penalty=beside if seen is not None else None,
                progress=news,
                cancelled=self.watch.cancelled,
            )

    def _lessons(self, preset: ComponentPreset) -> tuple[TrainingBatchSource, list[Wanted]]:
        """Each photo in several views, with its sentence, and where the words should look in each."""
        shape, grid = self._shape(), None
        lessons, wanted, rng = [], [], numpy_rng(self.params.seed, "views")
        for photo in self.photos:
            prompt = self.sentences.of(photo.regions)
            pixels = resized(photo.normal.pixels, shape)
            covers = self._covers(photo, shape)
            for k in range(self.params.views):
                move = _motion(rng, shape, preset) if k else np.eye(2, 3, dtype=np.float32)
                template = preset.templates[int(rng.integers(len(preset.templates)))]
                before, after = template.split("{}")
                lessons.append(TrainingSample(_moved(pixels, move), f"{before}{prompt.text}{after}"))
                if self.params.attention:
                    grid = grid or self._grid(shape)
                    wanted.append(self._wanted([(before, None), *prompt.pieces(), (after, None)], covers, move, grid))
        return prepare(self.known, lessons, text_frozen=False, cancelled=self.watch.cancelled), wanted

    def _shape(self) -> tuple[int, int]:
        """The size, at the model's side, that most photos have; the others are brought to it."""
        shapes = [working_shape(self.backbone, p.normal.shape) for p in self.photos]
        return max(dict.fromkeys(shapes), key=shapes.count)

    def _grid(self, shape: tuple[int, int]) -> tuple[int, int]:
        latents = torch.zeros(1, 1, shape[0] // self.backbone.factor, shape[1] // self.backbone.factor)
        side = reading_side(self.backbone, latents)
        return side * latents.shape[2] // max(latents.shape[2:]), side * latents.shape[3] // max(latents.shape[2:])

    def _covers(self, photo: EncodedPhoto, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """float32 (h, w) by name: where regions of that component lie."""
        out: dict[str, np.ndarray] = {}
        for name in self.sentences.names:
            masks = [r.mask for r in photo.regions if self.sentences.covers(name, r)]
            if masks:
                union = np.logical_or.reduce(masks).astype(np.float32)
                out[name] = cv2.resize(union, shape[::-1], interpolation=cv2.INTER_AREA)
        return out

    def _wanted(
        self,
        pieces: Sequence[tuple[str, int | None]],
        covers: Mapping[str, np.ndarray],
        move: np.ndarray,
        grid: tuple[int, int],
    ) -> Wanted:
        pieces = [piece for piece in pieces if piece[0]]
        by_word = {word: name for name, word in self.sentences.words.items()}
        at, cells = [], []
        for (text, chip), places in zip(pieces, spans(self.known, [text for text, _ in pieces]), strict=True):
            if chip is not None and text in by_word and by_word[text] in covers:
                moved = cv2.warpAffine(covers[by_word[text]], move, covers[by_word[text]].shape[::-1])
                at.append(places)
                cells.append(torch.from_numpy(cv2.resize(moved, grid[::-1], interpolation=cv2.INTER_AREA)))
        return Wanted(tuple(at), torch.stack(cells) if cells else torch.zeros(0, *grid))

    @torch.no_grad()
    def _named_by_regions(self, most: int) -> dict[str, str]:
        """Give each word the name of the regions it looks at: which word takes which component is up to the pictures.

        As a person would by looking at the maps; without regions every word keeps the name it was given. Returns the
        names that changed hands, old to new.
        """
        names = self.sentences.names
        fits = np.zeros((len(names), len(names)))
        for photo in [p for p in self._some(most) if p.regions and not self.sentences.single]:
            prompt = self.sentences.of(photo.regions)
            shown = [chip.name for chip in prompt.chips]
            for name, seen in zip(shown, maps_of(self.known, photo.normal.pixels, prompt), strict=True):
                for other in shown:
                    masks = [r.mask for r in photo.regions if self.sentences.covers(other, r)]
                    union = np.logical_or.reduce([np.zeros(photo.normal.shape, np.bool_), *masks])
                    fits[names.index(name), names.index(other)] += map_iou(seen, union)
        order = best_names(fits)
        words = list(self.vectors.values())
        for value, new in zip([w.detach().clone() for w in words], order, strict=True):
            words[new].copy_(value)
        return {names[i]: names[new] for i, new in enumerate(order) if i != new}

    def _some(self, most: int) -> Sequence[EncodedPhoto]:
        return self.photos[:: max(1, len(self.photos) // most)][:most]

    @torch.no_grad()
    def _seen(self, most: int) -> tuple[Image, dict[str, float]]:
        """Where the words look on some photos, and the mean IoU with their regions, by name, where there are any."""
        some = self._some(most)
        maps, ious = [], dict[str, list[float]]()
        for photo in some:
            prompt = self.sentences.of(photo.regions)
            found = maps_of(self.known, photo.normal.pixels, prompt)
            names = [PRODUCT] if self.sentences.single else [chip.name for chip in prompt.chips]
            maps.append(dict(zip(names, found, strict=True)))
            for name in names:
                masks = [r.mask for r in photo.regions if self.sentences.covers(name, r)]
                if masks:
                    union = np.asarray(np.logical_or.reduce(masks), np.bool_)
                    ious.setdefault(name, []).append(map_iou(maps[-1][name], union))
        picture = sheet([p.normal.pixels for p in some], maps)
        return picture, {name: round(float(np.mean(values)), 3) for name, values in ious.items()}


def _start(backbone: Backbone, word: str, count: int) -> Tensor:
    """``count`` vectors to start from; a word of more tokens than that gives their means."""
    word = word.replace("_", " ")
    pieces = len(prompt_ids(backbone, word))
    if pieces == 0:
        return vectors_of(backbone, UNKNOWN_START, count)
    if pieces <= count:
        return vectors_of(backbone, word, count)
    return torch.stack([part.mean(dim=0) for part in vectors_of(backbone, word, pieces).tensor_split(count)])


def _motion(rng: np.random.Generator, shape: tuple[int, int], preset: ComponentPreset) -> np.ndarray:
    """A small turn and a crop, as a float32 (2, 3) matrix: no border comes into the picture unless by the turn."""
    h, w = shape
    zoom = rng.uniform(1.0, preset.zoom)
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-preset.turn, preset.turn), zoom)
    room = (zoom - 1) / 2
    matrix[:, 2] += (rng.uniform(-room, room) * w, rng.uniform(-room, room) * h)
    return np.asarray(matrix, np.float32)


def _moved(pixels: Image, move: np.ndarray) -> Image:
    moved = cv2.warpAffine(
        pixels, move, pixels.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def _key(engine: str, identity: str, params: ComponentParams, photos: Sequence[EncodedPhoto]) -> str:
    """Names the run: the same photos, regions and settings (but for the number of steps) go on where they were."""
    settings = params.model_dump(mode="json", exclude={"steps"})
    digest = hashlib.sha256(json.dumps([engine, identity, settings], sort_keys=True).encode())
    for photo in photos:
        digest.update(photo.normal.id.encode())
        for region in photo.regions:
            digest.update(region.name.encode() + np.packbits(region.mask).tobytes())
    return digest.hexdigest()[:16]
