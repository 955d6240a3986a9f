"""What an engine is, and how the house finds it.

One new file in this folder is all an engine needs::

    class Smudge:
        name = "smudge"                 # as in ``--engine smudge``
        title = "Smudge"                # as in the app
        summary = "Blurs the masked surface."
        kind: Kind = "structural"
        needs = frozenset({"mask"})     # of "mask", "regions", "examples", "donor"
        rewrites_background = False

        class Params(EngineParams):
            strength: float = Field(0.5, ge=0, le=1, title="Strength", description="How far the blur goes.")

        def available(self) -> str | None:      # None, or the reason why not and what to do
            return None

        def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
            ...
            yield finalize_sample(self, request, changed, request.mask)

One that draws several requests faster together than one by one says how many with
``preferred_batch_size(params, label, ctx)`` and draws them with ``generate_batch(requests, ctx)``; see BatchEngine.

The registry scans the folder, the form and the CLI's ``--param`` come from ``Params``, and the contract
test in ``tests/engines/test_contract.py`` runs over whatever is registered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import core
from core.errors import Cancelled, InputError, MaskError, NotFound
from core.quality import mask_box, visible_change
from core.training.checkpoints import Concept
from core.types import EVERYWHERE, AnomalyExample, Image, Kind, Mask, NormalImage, Recipe, Region, Request, Sample

P = ParamSpec("P")

NEEDS = frozenset({"mask", "regions", "examples", "donor"})


class EngineParams(BaseModel):
    """Base of every engine's ``Params``: frozen, unknown names refused, the mask check shared by all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tighten: bool = Field(
        True,
        title="Mask what changed",
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

    def nearest(self, image: Image, cancelled: Callable[[], bool] = _never) -> NormalImage:
        """The photo that is most like ``image``, uint8 (H, W, 3) of any size (ComGEN, eq. 5). Cancelled between
        photos."""
        ...


@dataclass
class Context:
    """What a job lends an engine while it works.

    ``goods`` are the product's photos of good parts, None where there is no project; ``concepts`` is where the project
    keeps what was learned; ``curve(name, x, y)`` takes a point of what grows while an engine learns, such as its loss;
    ``regions_of(id)`` are the named regions of a photo that is learned from.
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


@runtime_checkable
class Engine(Protocol):
    """See the module's docstring. ``generate`` yields at least one Sample or raises."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def needs(self) -> frozenset[str]: ...

    @property
    def rewrites_background(self) -> bool: ...

    @property
    def Params(self) -> type[EngineParams]: ...

    def available(self) -> str | None: ...

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]: ...


@runtime_checkable
class BatchEngine(Engine, Protocol):
    """An engine that draws several requests as one batch."""

    def preferred_batch_size(self, params: Mapping[str, Any], label: str, ctx: Context) -> int:
        """How many are best drawn together here, at least 1."""
        ...

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, which share label and settings, or why there is none."""
        ...


@runtime_checkable
class LearningEngine(Engine, Protocol):
    """An engine that learns from real anomalies or from photos of good parts before it can generate.

    ``Learning`` is what a person may set; its ``Params`` have a ``concept``: an id, or "newest".
    """

    @property
    def learns(self) -> bool: ...

    @property
    def Learning(self) -> type[BaseModel]: ...

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: Any,
        ctx: Context,
    ) -> Concept:
        """Learn ``label`` (every label of the examples if "") and shelve it in ``ctx.concepts``."""
        ...


class NoVisibleChange(InputError):
    """The engine left no visible change; a batch tries the next seed, a person changes the settings."""


def finalize_sample(
    engine: Engine,
    request: Request,
    generated: Image,
    mask: Mask,
    *,
    kind: Kind | None = None,
    instances: tuple[Mask, ...] = (),
    params: EngineParams | None = None,
) -> Sample:
    """Make the mask true and the background exact, and sign the result with its recipe.

    ``generated`` is uint8 (H, W, 3), ``mask`` the bool (H, W) that bounds what may have changed. Where
    ``params.tighten`` is set the mask shrinks to what visibly changed; either way every pixel outside the
    final mask is the photo's own, bit for bit.
    """
    photo = request.normal.pixels
    params = params or read_params(engine, request.params)
    if params.tighten and not engine.rewrites_background:
        mask = visible_change(photo, generated, within=mask)
    if not mask.any():
        raise NoVisibleChange(
            f"{engine.name}: nothing visible changed on {request.normal.name!r}; "
            "raise the strength, enlarge the mask or take another seed"
        )
    pasted = _within(photo, generated, mask)
    image = generated if engine.rewrites_background else pasted
    drawn_anew = image is not pasted and bool((image != pasted).any())
    recipe = Recipe(
        engine=engine.name,
        label=request.label,
        kind=kind or engine.kind,
        normal_id=request.normal.id,
        seed=request.seed,
        params=params.model_dump(mode="json"),
        placement=request.placement,
        donor_id=request.donor.id if request.donor else None,
        example_ids=tuple(e.id for e in request.examples),
        feather=EVERYWHERE if drawn_anew else 0,
        version=core.__version__,
    )
    instances = tuple(part & mask for part in instances if (part & mask).any())
    return Sample(image=image, mask=mask, label=request.label, kind=recipe.kind, recipe=recipe, instances=instances)


def _within(photo: Image, generated: Image, mask: Mask) -> Image:
    """``photo`` with the pixels of ``mask`` taken from ``generated``; only the mask's box is worked on."""
    image = photo.copy()
    box = mask_box(mask)
    inside = mask[box]
    image[box][inside] = generated[box][inside]
    return image


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


def needed(engine: Engine, params: EngineParams) -> frozenset[str]:
    """What the engine needs with these settings: its ``needs``, less what they make up for.

    An engine of which some settings make up for a need says so by a method ``makes_do_without(params)``.
    """
    spared = getattr(engine, "makes_do_without", None)
    return engine.needs - (spared(params) if spared else frozenset())


def read_params(engine: Engine, given: Mapping[str, Any]) -> Any:
    """``given`` checked against the engine's Params; InputError with one line per wrong value."""
    return read_model(engine.Params, given, f"engine {engine.name}")


def read_model(model: type[BaseModel], given: Mapping[str, Any], what: str) -> Any:
    """``given`` checked against a pydantic model; InputError in one line, naming each wrong value."""
    try:
        return model(**given)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        parts = []
        for e in error.errors():
            name = ".".join(map(str, e["loc"]))
            hint = (
                f"there is no {name!r} (there are: {known})"
                if e["type"] == "extra_forbidden"
                else f"{name}: {e['msg']}, got {e['input']!r}"
            )
            parts.append(hint)
        raise InputError(f"{what}: " + "; ".join(parts)) from error


@cache
def engines() -> dict[str, Engine]:
    """Every engine of this folder by name, in alphabetical order of their files."""
    found: dict[str, Any] = {}
    folders = ("core.engines", "core.methods")
    names = [f"{f}.{m.name}" for f in folders for m in pkgutil.iter_modules(importlib.import_module(f).__path__)]
    for module in map(importlib.import_module, sorted(names, key=lambda name: name.rsplit(".", 1)[1])):
        classes: list[Any] = [value for value in vars(module).values() if isinstance(value, type)]
        for value in classes:
            if value.__module__.startswith(module.__name__) and _is_engine(value):
                if value.name in found:
                    raise RuntimeError(f"two engines are called {value.name!r}: {value} and {type(found[value.name])}")
                found[value.name] = value()
    return found


def _is_engine(cls: type) -> bool:
    parts = ("name", "kind", "needs", "Params", "generate", "available")
    return cls not in (Engine, LearningEngine, BatchEngine) and all(hasattr(cls, part) for part in parts)


def learners() -> dict[str, LearningEngine]:
    """Every engine that learns, by name."""
    return {name: e for name, e in engines().items() if isinstance(e, LearningEngine) and e.learns}


def learner(name: str) -> LearningEngine:
    """The engine called ``name``, if it learns; NotFound or InputError names those that do."""
    found = engine(name)
    if name not in learners():
        raise InputError(f"engine {name!r} does not learn; those that do: {', '.join(learners()) or 'none'}")
    return learners()[found.name]


def engine(name: str) -> Engine:
    """The engine called ``name``; NotFound names those there are."""
    try:
        return engines()[name]
    except KeyError:
        raise NotFound(f"engine {name!r}: there are {', '.join(engines())}") from None
