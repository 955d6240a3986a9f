"""A model with both branches' adapters, the layers between them and the words, for the time of a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.device import derive_seed
from core.diffusion.attention import attention_control
from core.diffusion.backbone import Backbone, require_unet
from core.diffusion.conditioning import Conditioning
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.tokens import (
    Placeholder,
    initial_vectors,
    jittered,
    padded_ids,
    prompt_ids,
    token_positions,
    with_placeholders,
)
from core.errors import InputError, Unavailable
from core.methods.dual_ano_diff.concept_config import Build, dual_config
from core.methods.dual_ano_diff.interaction import (
    ANOMALOUS_BRANCH,
    BCM,
    GLOBAL_BRANCH,
    SaimController,
    predict_pairs,
    trainable_parameters,
)
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams
from core.training.checkpoints import Concept, check_backbone
from core.training.low_rank import LORA_TARGETS, adapters_by_row, low_rank_adapters

TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")
NORMAL_LABEL = ""
"""The label that stands for a good part."""
EMPTY_PROMPT = "<none>"
"""The label that stands for no prompt at all, in either branch."""


def make_dual_spec(backbone: Backbone, params: DualLearningParams, labels: Sequence[str], bcm: bool) -> Build:
    """The dual model that ``params`` ask for, for ``labels`` learned together.

    A word that the vocabulary does not have as one token is a learned one, and so are all where the preset says so.
    """
    preset = PRESETS[params.preset]
    words: dict[str, int] = {}

    def spoken(word: str, name: str) -> str:
        if preset.vectors == 0 and len(prompt_ids(backbone, word)) == 1:
            return word
        words[name] = max(1, preset.vectors)
        return name

    prompts: dict[str, tuple[str, str]] = {}
    anomaly: dict[str, str] = {}
    if params.nested:
        thing = spoken(params.object_word, f"<{_letters(params.object_word)}>")
        for i, label in enumerate(labels):
            # Labels that are learned together share the product's word; each has its own for the anomaly.
            own = params.anomaly_word if len(labels) == 1 else f"{params.anomaly_word} {label.replace('_', ' ')}"
            name = f"<{_letters(params.anomaly_word)}{i if len(labels) > 1 else ''}>"
            anomaly[label] = spoken(own, name)
            prompts[label] = (f"a {thing} with {anomaly[label]}", anomaly[label])
        prompts[NORMAL_LABEL] = (f"a {thing}", "")
    else:
        for label in labels:
            anomaly[label] = label.replace("_", " ")
            prompts[label] = (anomaly[label], anomaly[label])
        prompts[NORMAL_LABEL] = ("", "")
    return Build(
        params.rank, params.saim, params.is_on("saim_zero"), bcm, preset.scale, preset.inject, preset.nonlinear,
        params.is_on("text_adapter"), words, prompts, anomaly, preset.bcm_reads,
    )  # fmt: skip


def _letters(word: str) -> str:
    return word.replace(" ", "_")


@dataclass(frozen=True)
class DualModel:
    """A model that draws pairs. ``parameters`` are all that is learned, by the names a concept keeps them under."""

    backbone: Backbone
    spec: Build
    parameters: dict[str, nn.Parameter]

    def conditioning(self, labels: Sequence[str]) -> Conditioning:
        """The prompts of a pair of each of N labels, N group rows, interleaved; a background has the whole's."""
        told = {**self.spec.prompts, EMPTY_PROMPT: ("", "")}
        prompts = list(dict.fromkeys(p for label in labels for p in told[label]))
        encoded = encode_ids(self.backbone, padded_ids(self.backbone, prompts))
        whole, part = (
            encoded.rows([prompts.index(told[label][k]) for label in labels])
            for k in (GLOBAL_BRANCH, ANOMALOUS_BRANCH)
        )
        branches = [whole, part, whole][: self.spec.group]
        interleaved = torch.arange(len(branches) * len(labels)).reshape(len(branches), -1).T.flatten()
        return Conditioning.cat(branches).rows(interleaved)

    def predict(self, pairs: Tensor, t: int | Tensor, conditioning: Conditioning) -> Tensor:
        """What the model predicts of pairs (N, group C, h, w), as wide has them."""
        return predict_pairs(self.backbone, pairs, t, conditioning, self.spec.group)

    def anomaly_tokens(self, label: str) -> tuple[int, ...]:
        """Where the anomaly stands in the part's prompt."""
        return token_positions(self.backbone, self.spec.prompts[label][ANOMALOUS_BRANCH], self.spec.anomaly[label])

    def concept_tensors(self) -> dict[str, Tensor]:
        """What a concept keeps."""
        return {name: value.detach() for name, value in self.parameters.items()}


@contextmanager
def dual_model(
    backbone: Backbone, build: Build, seed: int, starts: Mapping[str, str] | None = None
) -> Iterator[DualModel]:
    """``backbone`` as a new dual model; in its weights and outputs as before when the block ends, however it ends.

    ``starts`` are words of the model's own that learned words start from. As long as nothing is learned, and with an
    interaction from zero or none, each branch is the model itself.
    """
    require_unet(backbone, "DualAnoDiff")
    parameters: dict[str, nn.Parameter] = {}
    with ExitStack() as stack:
        vectors = {
            name: nn.Parameter(_start(backbone, (starts or {}).get(name, "damage"), count, derive_seed(seed, name)))
            for name, count in build.words.items()
        }
        known = stack.enter_context(with_placeholders(backbone, [Placeholder(n, v) for n, v in vectors.items()]))
        parameters |= {f"word.{name}": value for name, value in vectors.items()}
        seeds = {name: derive_seed(seed, name) for name in ("whole", "part")}
        made = stack.enter_context(low_rank_adapters(backbone.unet, LORA_TARGETS, build.rank, seeds))
        if build.text_adapter:
            own = {"text": derive_seed(seed, "text")}
            # "text." begins the names of both encoders' layers: they are learned at one rate.
            for kind, encoder in zip(("text", "text.second"), backbone.text_encoders, strict=False):
                made[kind] = stack.enter_context(low_rank_adapters(encoder, TEXT_TARGETS, build.rank, own))["text"]
        parameters |= {f"{kind}.{n}": value for kind, named in made.items() for n, value in named.items()}
        order = ("whole", "part", "whole")[: build.group]
        stack.enter_context(adapters_by_row(backbone.unet, order))
        between = _branch_controllers(backbone, build, seed)
        stack.enter_context(attention_control(backbone.unet, *between.values()))
        yield DualModel(known, build, parameters | trainable_parameters(between))


def _branch_controllers(backbone: Backbone, build: Build, seed: int) -> dict[str, SaimController | BCM]:
    made: dict[str, SaimController | BCM] = {}
    if build.saim:
        made["saim"] = SaimController(backbone.unet, build.group, derive_seed(seed, "saim"), build.saim_zero)
    if build.bcm:
        how: Any = build.inject
        made["bcm"] = BCM(backbone.unet, derive_seed(seed, "bcm"), build.scale, how, build.bent, build.bcm_reads)
    return made


@contextmanager
def load_adapters(backbone: Backbone, concept: Concept, tensors: Mapping[str, Tensor]) -> Iterator[DualModel]:
    """``backbone`` as the dual model of a concept; as before when the block ends. Hold it alone meanwhile.

    Unavailable where the concept was learned on another model or a tensor of it is missing.
    """
    check_backbone(concept, backbone)
    with dual_model(backbone, dual_config(concept).build, 0) as model:
        shapes = {name: tuple(value.shape) for name, value in model.parameters.items()}
        if shapes != {name: tuple(value.shape) for name, value in tensors.items()}:
            raise Unavailable(f"concept {concept.id}: its weights are not those its card tells of; learn it again")
        with torch.no_grad():
            for name, value in model.parameters.items():
                value.copy_(tensors[name])
        yield model


def known_label(concept: Concept, label: str) -> str:
    """``label`` as the concept knows it; one that knows a single label draws it whatever the anomaly is called."""
    if label in concept.labels:
        return label
    if len(concept.labels) == 1:
        return concept.labels[0]
    raise InputError(
        f"concept {concept.id}: it knows {', '.join(concept.labels)}, not {label!r}; choose one of these labels"
    )


def _start(backbone: Backbone, word: str, count: int, seed: int) -> Tensor:
    """Vectors to start from: the word's, a little apart."""
    return jittered(initial_vectors(backbone, word, count), seed).to(backbone.device)
