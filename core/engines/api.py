"""What an engine is. One new file in core/engines, or one new folder in core/methods, is all it takes::

    class Smudge(Engine):
        name = "smudge"                 # as in ``--engine smudge``
        title = "Smudge"                # as in the app
        summary = "Blurs the masked surface."
        kind = "structural"
        needs = frozenset({"mask"})     # of "mask", "regions", "examples", "donor"

        class Params(EngineParams):
            strength: float = Field(0.5, ge=0, le=1, title="Strength", description="How far the blur goes.")

        def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
            ...
            yield finalize_sample(self, request, changed, request.mask)

All that an engine may say of itself is declared in ``Engine`` with its default; the contract test in
``tests/engines/test_contract.py`` refuses a public name that is not, so that a misspelt one is found. The registry
(core.engines.registry) finds engines by themselves; the form and the CLI's ``--param`` come from ``Params``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, ParamSpec, Protocol

from pydantic import BaseModel, ConfigDict, Field

from core.errors import Cancelled, InputError, MaskError
from core.images import ContextMargin, ContextRectangle
from core.training.learning_settings import LearningParams
from core.types import AnomalyExample, Image, Kind, Mask, NormalImage, Region, Request, Sample
from core.validation import read_settings

if TYPE_CHECKING:
    from core.engines.grouping import ExampleGrouping
    from core.engines.prompt_editing import Product, PromptEditing
    from core.training.checkpoints import Concept

P = ParamSpec("P")

Need = Literal["mask", "regions", "examples", "donor"]
NEEDS: frozenset[Need] = frozenset({"mask", "regions", "examples", "donor"})
Background = Literal["exact", "redrawn"]
"""``exact``: every pixel outside the final mask is the photo's own; ``redrawn``: the whole picture may differ."""
ExampleSource = Literal["project", "bank"]
"""Whose anomalies a request brings: the project's real ones, or entries of the defect bank."""
Tool = Literal["mask", "parts", "prompt"]
"""What the app offers for an engine: mask tools, parts of the photo to drag and edit, a component prompt to edit."""

Goal = Literal["surface", "components", "examples", "prompt"]
GOALS: dict[Goal, str] = {
    "surface": "Damage a surface",
    "components": "Missing, extra or moved parts",
    "examples": "Like my real defects",
    "prompt": "By words",
}
"""What a person wants, in the order of the app, with its heading."""


class EngineParams(BaseModel):
    """Base of every engine's ``Params``: frozen, unknown names refused, the mask check shared by all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tighten: bool = Field(
        True,
        title="Tighten mask",
        description="Trim the mask to the pixels that visibly changed, and give the others back to the photo.",
    )


def _no_progress(done: int, total: int, preview: Image | None = None) -> None:
    """Nobody watches."""


def _no_curve(name: str, x: float, y: float) -> None:
    """Nobody draws."""


def _no_regions(normal_id: str) -> Sequence[Region]:
    """No photo has any."""
    return ()


def _never() -> bool:
    return False


class GoodPhotos(Protocol):
    """The product's photos of good parts."""

    def normal(self, normal_id: str) -> NormalImage:
        """The photo with this id."""
        ...

    def normal_ids(self) -> Sequence[str]:
        """The ids of all of them."""
        ...

    def nearest(self, image: Image, cancelled: Callable[[], bool] = _never) -> NormalImage:
        """The photo that is most like ``image``, uint8 (H, W, 3) of any size (ComGEN, eq. 5). Cancelled between
        photos."""
        ...


@dataclass
class Context:
    """What a job lends an engine while it works.

    ``goods`` are the product's photos of good parts, None where there is no project; ``concepts`` is where the project
    keeps what was learned; ``curve(name, x, y)`` takes a point of what grows while an engine learns, such as its loss;
    ``regions_of(id)`` are the named regions of a photo that is learned from, or that shows what this one hides.
    """

    device: str = "auto"
    concepts: Path | None = None
    normals: GoodPhotos | None = None
    progress: Callable[[int, int, Image | None], None] = _no_progress
    cancelled: Callable[[], bool] = _never
    curve: Callable[[str, float, float], None] = _no_curve
    regions_of: Callable[[str], Sequence[Region]] = _no_regions
    cache: dict[Any, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise Cancelled if the person pressed stop; engines call this at every step."""
        if self.cancelled():
            raise Cancelled("stopped; what was finished is kept")


@dataclass(frozen=True)
class DrawingPreset:
    """What drawing as a paper, its code or ourselves stands for: values of ``Params``, of placement, and of the review
    rules that select samples. What is not named keeps its default."""

    params: Mapping[str, Any] = field(default_factory=dict)
    placement: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)


class Engine(ABC):
    """Makes one sort of anomaly. A subclass has ``generate`` or ``generate_batch``; the rest has defaults."""

    name: ClassVar[str]
    """As on the command line and in recipes."""
    title: ClassVar[str]
    """As in the app."""
    summary: ClassVar[str]
    """One sentence for a person who has to choose."""
    goal: ClassVar[Goal] = "surface"
    """What a person who chooses it wants."""
    paper: ClassVar[str] = ""
    """The method it implements, by the name of its paper."""
    kind: ClassVar[Kind]
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What a request must bring, whatever the settings; see ``requires``."""
    background: ClassVar[Background] = "exact"
    """``redrawn`` where some settings draw the whole picture anew."""
    fades: ClassVar[bool] = False
    """Whether its anomalies may fade into the surface. Only then may a mask have a soft rim about what visibly changed
    (core.quality.change_with_rim)."""
    Params: ClassVar[type[EngineParams]]
    """What a person may set of drawing."""

    example_source: ClassVar[ExampleSource] = "project"
    """Where its examples come from."""
    reference_setting: ClassVar[str] = ""
    """The setting that names the real anomalies it draws like, by ids with commas between; empty without one."""
    context_setting: ClassVar[str] = ""
    """The setting that says, as a core.images.ContextRectangle is written, what of the photo its model sees; empty
    where a person can't choose that."""
    tools: ClassVar[frozenset[Tool]] = frozenset({"mask"})
    first_choice: ClassVar[bool] = False
    """Whether the app chooses it for a person who has not chosen yet: works at once, on any photo."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if (
            cls.__module__ != __name__
            and cls.generate is Engine.generate
            and cls.generate_batch is Engine.generate_batch
        ):
            raise TypeError(f"engine {cls.__name__}: expected generate or generate_batch; define one of them")

    @property
    def draws_batches(self) -> bool:
        """Whether it draws several requests as one batch."""
        return type(self).generate_batch is not Engine.generate_batch

    @property
    def draws_with_model(self) -> bool:
        """Whether it draws with a diffusion model, which a GPU makes much faster."""
        return "backbone" in self.Params.model_fields

    def available(self) -> str | None:
        """None, or why it cannot run on this machine and what to do."""
        return None

    def requires(self, params: Any) -> frozenset[Need]:
        """What a request must bring with these settings (an instance of ``Params``): ``needs``, less what the settings
        make up for."""
        return self.needs

    def example_source_for(self, params: Mapping[str, object]) -> ExampleSource:
        """Where its examples come from with these settings."""
        return self.example_source

    def examples_per_sample(self, params: Mapping[str, object]) -> int:
        """How many real anomalies one sample is drawn like, at least 1; where fewer match, a request brings those."""
        return 1

    def matching_examples(
        self,
        params: Mapping[str, object],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample] | None:
        """The real anomalies that go with what it will draw with ``seed``; None where any of the label does.

        ``params`` are as a request has them; ``concepts`` is the folder of what the project has learned.
        """
        return None

    def best_example(
        self, params: Mapping[str, object], examples: Sequence[AnomalyExample], photo: Image, mask: Mask
    ) -> AnomalyExample | None:
        """The one of ``examples`` for a mask that a person drew on ``photo``; None where any of them does."""
        return None

    def keeps_direction(self, example: AnomalyExample) -> bool:
        """Whether a mask like this anomaly's must lie as it does on its own photo: neither turned nor mirrored."""
        return False

    def copies_examples(self, params: Mapping[str, object]) -> bool:
        """Whether a sample made with these settings may hold pixels of the real anomalies that it was given. Those
        must not test a detector that learned from it."""
        return "examples" in self.needs

    def idle_settings(self, params: Any) -> Mapping[str, str]:
        """Settings that are not taken with these ``params`` (an instance of ``Params``), such as those that a chosen
        model lacks, each with the reason. The form hides them, and a changed one is refused."""
        return {}

    def context_of(self, params: Any) -> ContextRectangle | ContextMargin | None:
        """What of the photo its model sees with these ``params`` (an instance of ``Params``); None where it can't be
        told, and for engines without a ``context_setting``."""
        return None

    def drawing_presets(self) -> Mapping[str, DrawingPreset]:
        """What its setting ``draw_as`` (core.engines.drawing_presets) stands for, by name; empty without one."""
        return {}

    def preferred_batch_size(self, params: Mapping[str, object], label: str, ctx: Context) -> int:
        """How many requests are best drawn together on this machine, at least 1."""
        return 1

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """At least one sample of ``request``, or an error in one line. Checks ``ctx`` at every step."""
        yield single_sample(self.generate_batch([request], ctx))

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, which share label and settings, or why there is none."""
        return [sample_or_error(lambda r: next(self.generate(r, ctx)), request) for request in requests]

    def prompt_editing(self, product: Product) -> PromptEditing | None:
        """The view-model of its prompt editor, for engines with the tool ``prompt``."""
        return None


class LearningEngine(Engine):
    """An engine that learns from a product's pictures. Its ``Params`` have a ``concept``: an id, or "newest"."""

    Learning: ClassVar[type[LearningParams]]
    """What a person may set of learning."""
    learns_from: ClassVar[Literal["examples", "normals"]] = "examples"
    """Real anomalies, or photos of good parts alone."""
    needs_concept: ClassVar[bool] = True
    """Whether it must have learned something before it can draw."""

    @abstractmethod
    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: Any,
        ctx: Context,
    ) -> Concept:
        """Learn ``label`` (every label of the examples if "") with ``params``, an instance of ``Learning``, and keep
        the concept in ``ctx.concepts``."""

    def grouping(self) -> ExampleGrouping | None:
        """How it tells a label's real anomalies apart by their looks; None where it takes them as one."""
        return None


def sample_or_error(make: Callable[P, Sample], *args: P.args, **given: P.kwargs) -> Sample | InputError:
    """What ``make`` gives, or why it gives nothing: a sample that fails must not take others of its batch along."""
    try:
        return make(*args, **given)
    except InputError as error:
        return error


def single_sample(outcomes: Sequence[Sample | InputError]) -> Sample:
    """The sample of a batch of one; raises why there is none."""
    (outcome,) = outcomes
    if isinstance(outcome, InputError):
        raise outcome
    return outcome


def require_mask(engine: Engine, request: Request) -> Mask:
    """The request's mask, or MaskError telling how to give one."""
    if request.mask is None:
        raise MaskError(f"{engine.name}: needs a mask; draw one, click a region or choose automatic placement")
    return request.mask


def read_params(engine: Engine, given: Mapping[str, object]) -> Any:
    """``given`` checked against the engine's Params; InputError with one line per wrong value."""
    return read_settings(engine.Params, given, f"engine {engine.name}")
