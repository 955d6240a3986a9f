"""How components are learned: what a person may set, and what the presets stand for. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from core.errors import InputError
from core.training.learning_settings import ALL_NORMALS, MAX_NORMALS, LearningParams


class ComponentLearningParams(LearningParams):
    """What a person may set when components are learned."""

    preset: Literal["flawsmith", "paper"] = Field(
        "flawsmith", title="Preset", description="flawsmith: minutes; paper: ComGEN as published, for a GPU."
    )
    names: str = Field(
        "",
        title="Components",
        description="What a good part has: 'a bolt, a nut and two washers', or how many kinds, as in 4. Empty takes "
        "the names and counts of the photos' regions, or, without any, a number by clustering.",
    )
    title: str = Field(
        "",
        title="Product",
        description="What stands before 'with' in each sentence, in words that the model knows: 'a fastener tray'.",
    )
    start_words: str = Field(
        "",
        title="Start words",
        description="Words to start from, as in bolt=screw, cap=lid; a component not listed starts from its own name.",
    )
    tokens: int = Field(
        1, ge=1, le=8, title="Vectors", description="Learned vectors for each component; the paper has one."
    )
    attention: float = Field(
        0.0,
        ge=0,
        le=10,
        title="Region attention",
        description="Weight of a loss that draws each word's attention to its regions; 0: no such loss, as in "
        "the paper.",
    )
    single: bool = Field(
        False,
        title="Single word",
        description="One word for the whole product instead of one for each component: for comparison only.",
    )
    views: int = Field(
        4, ge=1, le=64, title="Views", description="Views of each photo: as it is, and a little cropped and turned."
    )
    normals: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Good photos",
        description="Learned from at most, taken from all over the list; 0: 64, and all with the paper's preset.",
    )
    steps: int = Field(0, ge=0, le=2_000_000, title="Steps", description="Training steps; 0: by the preset.")
    seed: int = Field(0, ge=0, title="Seed", description="Same photos, same settings, same seed: same concept.")
    backbone: str = Field(
        "auto",
        title="Model",
        description="auto, sd15, mini, a model folder, a .safetensors file or a hub id that was fetched.",
    )

    @property
    def max_normals(self) -> int:
        """As set, or by the preset."""
        return self.normals or (MAX_NORMALS if self.preset == "flawsmith" else ALL_NORMALS)

    def budget(self, subjects: int, labels: int = 1) -> int:
        """Steps for so many photos; 0 where that is not known yet."""
        chosen = PRESETS[self.preset]
        return self.steps or chosen.steps or chosen.epochs * -(-subjects // chosen.batch)

    def start_word_of(self) -> dict[str, str]:
        """Start word by component. InputError where they cannot be read."""
        pairs = [part.strip() for part in self.start_words.split(",") if part.strip()]
        if wrong := [p for p in pairs if not all(side.strip() for side in p.partition("=")[::2])]:
            raise InputError(f"start words: {wrong[0]!r} is no pair; write for example bolt=screw, cap=lid")
        return {name.strip(): word.strip() for name, _, word in (p.partition("=") for p in pairs)}


@dataclass(frozen=True)
class ComponentPreset:
    """``steps``, or else ``epochs`` over the photos; views are turned by up to ``turn`` degrees and enlarged by up to
    ``zoom``, so that a part of them is seen. A word that starts from its component's own name, which the model knows,
    learns at ``known_word_rate`` times the rate: at all of it it wanders off, and pictures from noise lose their
    order. With ``fresh_views`` views are drawn anew as soon as each was seen about once."""

    batch: int
    lr: float
    templates: tuple[str, ...]
    turn: float
    zoom: float
    steps: int = 0
    epochs: int = 0
    warmup: int = 0
    known_word_rate: float = 1.0
    fresh_views: bool = False

    def round_steps(self, views: int) -> int:
        """Steps until ``views`` are drawn anew; 0: never."""
        return -(-views // self.batch) if self.fresh_views else 0


PRESETS = {
    "flawsmith": ComponentPreset(
        batch=4, lr=5e-3, templates=("{}", "{}", "a photo of {}", "a close-up photo of {}"), turn=5.0, zoom=1.15,
        steps=300, warmup=20, known_word_rate=0.1,
    ),
    "paper": ComponentPreset(
        batch=16, lr=1e-5,
        templates=(
            "a photo of {}", "a rendering of {}", "a cropped photo of {}", "a close-up photo of {}",
            "a bright photo of {}", "a dark photo of {}", "a good photo of {}", "a rendition of {}",
        ),
        turn=10.0, zoom=1.3, epochs=6100, fresh_views=True,
    ),
}  # fmt: skip
