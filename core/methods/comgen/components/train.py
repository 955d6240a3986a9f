"""Multi-component learning (ComGEN, eq. 4): one embedding for each component's noun; all else of the model is frozen.

Name here ↔ symbol in the paper: vectors ↔ V = [v*, v!, ...], Sentences.of ↔ y, its text with the vectors ↔ c_V(y).
The loss is the diffusion model's own over the whole picture; region_attention_loss is ours, and off by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed
from core.diffusion.attention import attention_control
from core.diffusion.backbone import Backbone
from core.diffusion.prompt_to_prompt import attention_side
from core.diffusion.tokens import Placeholder, initial_vectors, jittered, prompt_ids, with_placeholders
from core.errors import InputError
from core.images import png_bytes
from core.methods.comgen.components.attention_loss import AttentionRecorder, region_attention_loss
from core.methods.comgen.components.attention_maps import assign_names, attention_maps, attention_sheet, map_iou
from core.methods.comgen.components.component_proposal import propose_component_count
from core.methods.comgen.components.component_tokens import tensor_name
from core.methods.comgen.components.learning_settings import PRESETS, ComponentLearningParams
from core.methods.comgen.components.sentences import PRODUCT, ComponentSentences, make_sentences
from core.methods.comgen.components.training_samples import ComponentPhoto, ComponentSamples, encode_photos, identity
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept
from core.training.loop import Trainable, TrainingPlan, TrainingResult, prompt_conditioning
from core.training.trainer import LearnedConcept, LearningTask, Trainer, TrainingRun, TrainingStage
from core.types import Image

UNKNOWN_START = "part"
"""Where a start word is none that the tokenizer knows."""
SHOWN = 4
"""Photos on which it is shown where the words look."""


def learn_components(
    backbone: Backbone,
    photos: Sequence[ComponentPhoto],
    params: ComponentLearningParams,
    *,
    engine: str,
    folder: Path,
    callbacks: TrainingCallbacks | None = None,
) -> Concept:
    """Learn the components of ``photos`` and keep them under ``folder``.

    ``backbone`` is float32 or bfloat16. Stopped or fallen, a run goes on from where it was when it is asked for again
    with the same photos and settings. InputError where there is nothing to learn; Cancelled within a step; StoreError.
    """
    if not photos:
        raise InputError("components: there is no photo of a good part to learn from; import some")
    names = params.names or (
        "" if any(p.regions for p in photos) else str(propose_component_count([p.normal.pixels for p in photos]))
    )
    sentences = make_sentences(names, params.title, [p.regions for p in photos], params.single)
    if params.attention and not any(p.regions for p in photos):
        raise InputError("components: region attention needs named regions; name some in Regions, or set it to 0")

    def work(run: TrainingRun) -> LearnedConcept:
        return _ComponentTraining(run, photos, sentences, params).learn()

    # Memory is never saved: a pass computed again for its gradients would be looked at twice by the attention loss.
    return Trainer(backbone, folder, callbacks or TrainingCallbacks()).learn(
        LearningTask(
            engine,
            "",
            ", ".join(sentences.names),
            "components",
            params,
            identity(photos),
            params.budget(len(photos)),
            work,
        )
    )


@dataclass(frozen=True)
class _ComponentTraining:
    """What is to be learned, from what."""

    run: TrainingRun
    photos: Sequence[ComponentPhoto]
    sentences: ComponentSentences
    params: ComponentLearningParams

    def learn(self) -> LearnedConcept:
        """The vectors, what to note of the run, and a picture of where the words look."""
        vectors = self._started()
        named = [Placeholder(word, value) for word, value in vectors.items()]
        with with_placeholders(self.run.backbone, named) as known:
            trained = self._trained(known, vectors)
            with torch.no_grad():
                renamed = self._named_by_regions(known, vectors, SHOWN)
                picture, ious = self._seen(known, SHOWN)
        config = {
            **trained.summary(),
            "preset": self.params.preset,
            "map_iou": ious,
            "renamed": renamed,
            "names": list(self.sentences.names),
            "counts": [chip.count for chip in self.sentences.base_prompt.components],
            "title": self.sentences.base_prompt.title,
            "single": self.params.single,
            "photos": [p.normal.id for p in self.photos],
        }
        tensors = {tensor_name(i): value.detach() for i, value in enumerate(vectors.values())}
        return LearnedConcept(tensors, config, {"preview": png_bytes(picture)})

    def _started(self) -> dict[str, nn.Parameter]:
        """Vectors to start from: those of each component's start word, a little apart."""
        given, out, backbone = self.params.start_word_of(), dict[str, nn.Parameter](), self.run.backbone
        if strange := sorted(set(given) - set(self.sentences.names)):
            raise InputError(
                f"start words: {strange[0]!r} is no component (there are: {', '.join(self.sentences.names)})"
            )
        for i, (name, word) in enumerate(self.sentences.words.items()):
            first = _start(backbone, given.get(name, name), self.params.tokens)
            out[word] = nn.Parameter(jittered(first, derive_seed(self.params.seed, "start", i)).to(backbone.device))
        return out

    def _known_words(self) -> list[str]:
        """The words that start from their component's own name, in one that the model knows."""
        given, backbone = self.params.start_word_of(), self.run.backbone
        names = {name: name.replace("_", " ") for name in self.sentences.names if name not in given}
        return [self.sentences.words[n] for n, text in names.items() if len(prompt_ids(backbone, text)) == 1]

    def _trained(self, known: Backbone, vectors: dict[str, nn.Parameter]) -> TrainingResult:
        params, preset = self.params, PRESETS[self.params.preset]

        def encoded(number: int) -> ComponentSamples:
            stop = self.run.callbacks.cancelled
            return encode_photos(known, self.photos, self.sentences, params, stop, number)

        first = encoded(0)
        plan = TrainingPlan(
            params.budget(len(self.photos)), preset.batch, preset.lr,
            tuple((word, preset.known_word_rate) for word in self._known_words()),
            warmup=preset.warmup, seed=params.seed, area_weight=False, checkpoint_every=50,
        )  # fmt: skip
        trainable: Trainable[ComponentSamples] = Trainable(known, vectors, prompt_conditioning(known))
        fresh = preset.round_steps(len(self.photos) * params.views)
        stage = TrainingStage(
            trainable,
            lambda number: encoded(number) if number else first,
            plan,
            fresh=fresh,
            preview=lambda: self._seen(known, 2)[0],
        )
        if not params.attention:
            return self.run.fit(stage)
        watching = AttentionRecorder(attention_side(known, first.latents))

        def beside(own: ComponentSamples, rows: Tensor) -> Tensor:
            return params.attention * region_attention_loss(watching.take_maps(), [own.wanted[int(i)] for i in rows])

        def preview() -> Image:
            picture = self._seen(known, 2)[0]
            watching.clear()  # what the picture took
            return picture

        with attention_control(known.unet, watching):
            return self.run.fit(replace(stage, trainable=replace(trainable, penalty=beside), preview=preview))

    def _named_by_regions(self, known: Backbone, vectors: dict[str, nn.Parameter], most: int) -> dict[str, str]:
        """Give each word the name of the regions it looks at: which word takes which component is up to the pictures.

        As a person would by looking at the maps; without regions every word keeps the name it was given. Returns the
        names that changed hands, old to new.
        """
        names = self.sentences.names
        fits = np.zeros((len(names), len(names)))
        for photo in [p for p in self._some(most) if p.regions and not self.sentences.single]:
            prompt = self.sentences.prompt_for(photo.regions)
            shown = [chip.name for chip in prompt.components]
            for name, seen in zip(shown, attention_maps(known, photo.normal.pixels, prompt), strict=True):
                for other in shown:
                    masks = [r.mask for r in photo.regions if self.sentences.stands_for(other, r)]
                    union = np.logical_or.reduce([np.zeros(photo.normal.shape, np.bool_), *masks])
                    fits[names.index(name), names.index(other)] += map_iou(seen, union)
        order = assign_names(fits)
        words = list(vectors.values())
        for value, new in zip([w.detach().clone() for w in words], order, strict=True):
            words[new].copy_(value)
        return {names[i]: names[new] for i, new in enumerate(order) if i != new}

    def _some(self, most: int) -> Sequence[ComponentPhoto]:
        return self.photos[:: max(1, len(self.photos) // most)][:most]

    def _seen(self, known: Backbone, most: int) -> tuple[Image, dict[str, float]]:
        """Where the words look on some photos, and the mean IoU with their regions, by name, where there are any."""
        some = self._some(most)
        maps, ious = [], dict[str, list[float]]()
        for photo in some:
            prompt = self.sentences.prompt_for(photo.regions)
            found = attention_maps(known, photo.normal.pixels, prompt)
            names = [PRODUCT] if self.sentences.single else [chip.name for chip in prompt.components]
            maps.append(dict(zip(names, found, strict=True)))
            for name in names:
                masks = [r.mask for r in photo.regions if self.sentences.stands_for(name, r)]
                if masks:
                    union = np.asarray(np.logical_or.reduce(masks), np.bool_)
                    ious.setdefault(name, []).append(map_iou(maps[-1][name], union))
        picture = attention_sheet([p.normal.pixels for p in some], maps)
        return picture, {name: round(float(np.mean(values)), 3) for name, values in ious.items()}


def _start(backbone: Backbone, word: str, count: int) -> Tensor:
    """``count`` vectors to start from; a word of more tokens than that gives their means."""
    word = word.replace("_", " ")
    pieces = len(prompt_ids(backbone, word))
    if pieces == 0:
        return initial_vectors(backbone, UNKNOWN_START, count)
    if pieces <= count:
        return initial_vectors(backbone, word, count)
    return torch.stack([part.mean(dim=0) for part in initial_vectors(backbone, word, pieces).tensor_split(count)])
