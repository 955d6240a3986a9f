"""What each row of a paper's ablation table takes away, in our settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AblationVariant:
    """What a row changes of the whole way: settings of ``learning``, ``drawing`` and ``placement``, and the
    ``detector`` ("" leaves the paper's). Unless ``filtered`` no pair is sorted out, unless ``edited`` no prompt is
    modified."""

    learning: Mapping[str, Any] = field(default_factory=dict)
    drawing: Mapping[str, Any] = field(default_factory=dict)
    placement: Mapping[str, Any] = field(default_factory=dict)
    detector: str = ""
    filtered: bool = True
    edited: bool = True

    @property
    def learning_name(self) -> str:
        """Names what is learned; rows with the same one share it. "" is what the whole way learns."""
        return "".join(f"-{name}={value}".lower() for name, value in sorted(self.learning.items()))


WHOLE = AblationVariant()
"""Takes nothing away."""

_NO_SPATIAL, _NO_MASK = {"spatial": False}, {"masked_loss": False}
_NO_AAR = {"reweighting": "off"}
_ANYWHERE = {"perturb": False, "alpha": 0.0, "within": "part"}
"""Real masks put anywhere on the part."""
_ONE_WORD = {"single": True}
_FIRST_PICTURE = {"candidates": 1}
_ANY_PHOTO = {"compare": "photo"}

ABLATIONS: Mapping[str, Mapping[str, AblationVariant]] = {
    "anomaly_diffusion": {
        "none": AblationVariant({**_NO_SPATIAL, **_NO_MASK}, _NO_AAR),
        "SAE": AblationVariant(_NO_MASK, _NO_AAR),
        "SAE, masked loss": AblationVariant({}, _NO_AAR),
        "masked loss, AAR": AblationVariant(_NO_SPATIAL),
        "SAE, masked loss, AAR": WHOLE,
    },
    "gaa": {
        "full": WHOLE,
        "without AMFC": AblationVariant({"clusters": "none"}),
        "without AMFC, RAMS": AblationVariant({"clusters": "none"}, placement=_ANYWHERE),
        "without AMFC, RAMS, LQSF": AblationVariant({"clusters": "none"}, placement=_ANYWHERE, filtered=False),
    },
    "dual_ano_diff": {
        "two branches": AblationVariant({"nested": False, "bcm": False}),
        "nested prompts": AblationVariant({"bcm": False}),
        "nested prompts, BCM": WHOLE,
    },
    "comgen": {
        "none": AblationVariant(_ONE_WORD, {**_FIRST_PICTURE, **_ANY_PHOTO}, detector="features", edited=False),
        "MCL": AblationVariant({}, {**_FIRST_PICTURE, **_ANY_PHOTO}, detector="features", edited=False),
        "RNA, CSDA": AblationVariant(_ONE_WORD, _FIRST_PICTURE, edited=False),
        "MCL, PM/LS": AblationVariant({}, _ANY_PHOTO, detector="features"),
        "MCL, PM/LS, RNA": AblationVariant(detector="features"),
        "MCL, PM/LS, RNA, CSDA": WHOLE,
    },
}
"""By method and the row's name in ``published.json``. ``features``, a head on frozen features, stands in for what
ComGEN's paper puts in CSDA's place, which it does not say."""
