"""Speed and memory of the two branches in one batch, and of the same run one after the other, in one process.

One after the other, each branch draws and learns alone with its own adapter: two passes where the batch is one. The
interaction needs both branches at the same layer, so it is left out there; ``speedup_without_saim`` leaves it out of
the batch as well. All settings are those of the preset ``flawsmith``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.bench.profiler import time_and_memory
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams

if TYPE_CHECKING:
    from torch import Tensor

    from core.diffusion.backbone import Backbone
    from core.diffusion.conditioning import Conditioning
    from core.methods.dual_ano_diff.adapters import DualModel

PRESET = PRESETS["flawsmith"]
BRANCHES = ("whole", "part")
GLOBAL_BRANCH, ANOMALOUS_BRANCH = range(2)


def branches_speed(backbone: Backbone, label: str, repeats: int, steps: int) -> dict[str, float]:
    """Figures of drawing and of learning; times are medians of ``repeats`` in CPU seconds (on a GPU, by the clock).

    ``peak_mb`` is the memory of the whole process at its highest, on a GPU that of the tensors. A pair is
    drawn in ``steps``.
    """
    figures: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for kind, saim in (("", True), ("_without_saim", False), ("_sequential", False)):
        with _model(backbone, label, saim) as model:
            bench = _BranchTimer(model, label, steps)
            draw = bench.draw_apart if kind == "_sequential" else bench.draw_together
            seconds[f"draw{kind}"], figures[f"peak_mb{kind}"] = time_and_memory(backbone, draw, repeats)
            learn = bench.learn_apart if kind == "_sequential" else bench.learn_together
            with bench.learner(learn) as step:
                taken = time_and_memory(backbone, step, 2 * repeats)
            seconds[f"learn{kind}"], figures[f"learn_peak_mb{kind}"] = taken
    return {
        "pairs_per_s": round(1 / seconds["draw"], 3),
        "pairs_per_s_sequential": round(1 / seconds["draw_sequential"], 3),
        "speedup_vs_sequential": round(seconds["draw_sequential"] / seconds["draw"], 2),
        "speedup_without_saim": round(seconds["draw_sequential"] / seconds["draw_without_saim"], 2),
        "learn_steps_per_s": round(1 / seconds["learn"], 2),
        "learn_steps_per_s_sequential": round(1 / seconds["learn_sequential"], 2),
        "learn_speedup_vs_sequential": round(seconds["learn_sequential"] / seconds["learn"], 2),
        "learn_speedup_without_saim": round(seconds["learn_sequential"] / seconds["learn_without_saim"], 2),
        **{name: round(value) for name, value in figures.items()},
    }


@contextmanager
def _model(backbone: Backbone, label: str, saim: bool) -> Iterator[DualModel]:
    """A dual model as it is before anything is learned; what it knows is no matter to its speed."""
    from core.methods.dual_ano_diff.adapters import dual_model, make_dual_spec

    with dual_model(backbone, make_dual_spec(backbone, DualLearningParams(saim=saim), [label], bcm=False), 0) as model:
        yield model


@dataclass
class _BranchTimer:
    """Both ways to draw a pair, and to take a step of learning on a batch of pairs."""

    model: DualModel
    label: str
    steps: int

    def draw_together(self, seed: int) -> None:
        """A pair as the engine draws it from noise."""
        from core.methods.dual_ano_diff.sample import draw_pair

        _, guidance, sampler = PRESET.sampling
        draw_pair(self.model, self.label, seed=seed, steps=self.steps, guidance=guidance, sampler=sampler)

    def draw_apart(self, seed: int) -> None:
        """The whole, then the part; the part's attention is looked at as in a pair."""
        from core.diffusion.attention import attention_control
        from core.diffusion.word_attention import AttentionStore

        self._draw_branch(GLOBAL_BRANCH, seed)
        with attention_control(
            self.model.backbone.unet, AttentionStore(self.model.anomaly_tokens(self.label), rows=slice(-1, None))
        ):
            self._draw_branch(ANOMALOUS_BRANCH, seed)

    def _draw_branch(self, branch: int, seed: int) -> None:
        import torch

        from core.device import torch_generator
        from core.diffusion.backbone import decode
        from core.diffusion.sampling import classifier_free_guidance, draw_noise, make_schedule, sample
        from core.methods.dual_ano_diff.adapters import NORMAL_LABEL
        from core.training.low_rank import adapters_by_row

        backbone, (_, guidance, sampler) = self.model.backbone, PRESET.sampling
        schedule = make_schedule(backbone.noise_schedule, self.steps)
        side = backbone.side // backbone.vae_scale_factor
        noise = draw_noise((1, backbone.channels, side, side), torch_generator(seed)).to(backbone.device)
        with torch.no_grad(), adapters_by_row(backbone.unet, BRANCHES[branch : branch + 1]):
            good, prompt = (self._prompt(label, branch) for label in (NORMAL_LABEL, self.label))
            decode(
                backbone,
                sample(classifier_free_guidance(backbone, prompt, good, guidance), noise, schedule, method=sampler),
            )

    def _prompt(self, label: str, branch: int) -> Conditioning:
        """One branch's prompt of this label."""
        from core.diffusion.prompt_encoding import encode_ids
        from core.diffusion.tokens import padded_ids

        known = self.model.backbone
        return encode_ids(known, padded_ids(known, [self.model.spec.prompts[label][branch]]))

    @contextmanager
    def learner(self, backward: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
        """A step of learning whose gradients ``backward`` makes."""
        import torch

        from core.training.loop import enable_gradients

        values = list(self.model.parameters.values())
        with enable_gradients(self.model.backbone, values):
            optimizer = torch.optim.AdamW(values, lr=PRESET.lr)

            def step(seed: int) -> None:
                optimizer.zero_grad(set_to_none=True)
                backward(seed)
                torch.nn.utils.clip_grad_norm_(values, PRESET.clip)
                optimizer.step()

            yield step

    def learn_together(self, seed: int) -> None:
        """Gradients of a batch of pairs in one pass there and back."""
        import torch

        backbone = self.model.backbone
        x = self._batch(2 * backbone.channels, seed)
        out = self.model.predict(x, self._timesteps(seed), self.model.conditioning([self.label] * len(x)))
        torch.autograd.backward((out**2).mean())

    def learn_apart(self, seed: int) -> None:
        """The same of one branch after the other."""
        import torch

        from core.diffusion.backbone import model_output
        from core.training.low_rank import adapters_by_row

        backbone = self.model.backbone
        for branch in (GLOBAL_BRANCH, ANOMALOUS_BRANCH):
            with adapters_by_row(backbone.unet, BRANCHES[branch : branch + 1]):
                x = self._batch(backbone.channels, seed)
                prompt = self._prompt(self.label, branch).expanded(len(x))
                torch.autograd.backward((model_output(backbone, x, self._timesteps(seed), prompt) ** 2).mean())

    def _batch(self, channels: int, seed: int) -> Tensor:
        from core.device import torch_generator
        from core.diffusion.sampling import draw_noise

        backbone = self.model.backbone
        side = backbone.side // backbone.vae_scale_factor
        return draw_noise((PRESET.batch, channels, side, side), torch_generator(seed)).to(backbone.device)

    def _timesteps(self, seed: int) -> Tensor:
        import torch

        count = len(self.model.backbone.noise_schedule)
        return torch.tensor([(seed * 37 + 11 * row) % count for row in range(PRESET.batch)])
