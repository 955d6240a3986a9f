"""AnomalyDiffusion (Hu et al., AAAI 2024): a learned anomaly drawn into a mask by blended diffusion.

engine.py   the engine: from a request to a sample; torch is loaded only when it works

What GAA builds on as well lies one floor down: masked textual inversion (e_a, eqs. 5 and 6) in
core/training/textual_inversion.py, the spatial embedding e_s in core/training/spatial_embedding.py, the mask embedding
in core/training/mask_embedding.py, and adaptive attention re-weighting (eq. 7) in
core/diffusion/attention_reweighting.py.
"""

from core.methods.anomaly_diffusion.engine import AnomalyDiffusion, AnomalyDiffusionParams

__all__ = ["AnomalyDiffusion", "AnomalyDiffusionParams"]
