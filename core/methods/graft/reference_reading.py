"""Self-attention of the target that reads the references inside the mask, and the photo outside (after O2MAG).

Name here ↔ symbol: photo, references, target ↔ the normal, anomaly and target branch; inside ↔ M, the mask at the
map's size; anomaly ↔ M_ref, the reference's. Of each layer, with queries Q, keys K and values V of a branch:

    outside  A_i = softmax(Q_i K_photo' / sqrt(d)) V_photo                        i not in M
    inside   A_i = softmax(Q_i K_ref[M_ref]' / sqrt(d)) V_ref[M_ref]              i in M
    target   A_i = M_i inside_i + (1 - M_i) outside_i

Ours: of several references, K_ref[M_ref] are the keys of all their anomalies, one after the other; M_i is the share of
a map's cell that the mask covers, so that a coarse map is not read beyond the mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.attention import AttentionController, AttentionSite

_SHUT = -3e4
"""A key's extra number that leaves it no attention; float16 holds it."""
_EXTRA = 8
"""Numbers added to each query and key; fused attention wants a multiple of eight."""


class ReferenceReading(AttentionController):
    """Redirects the last row of a batch of photo, references and target, in that order.

    ``inside`` float32 (1, 1, h, w) in 0..1 is the mask in the target, ``anomaly`` (R, 1, h, w) those in the R
    references, both at latent size.
    """

    def __init__(self, inside: Tensor, anomaly: Tensor) -> None:
        self._inside, self._anomaly = inside, anomaly

    def wants(self, site: AttentionSite) -> bool:
        """Self-attention only."""
        return not site.cross

    def qkv(self, site: AttentionSite, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One row more than came: the target once with the photo's keys and values, once with the anomalies'."""
        read = self._read_positions(site.shape).to(k.device)
        keys, values = (_pooled(rows[1:-1])[:, :, read] for rows in (k, v))
        length = max(k.shape[2], keys.shape[2])
        k = torch.cat([_shut_after(rows, length) for rows in (k[:-1], k[:1], keys)])
        v = torch.cat([_padded(rows, length) for rows in (v[:-1], v[:1], values)])
        return F.pad(torch.cat([q, q[-1:]]), (0, _EXTRA), value=1.0), k, v

    def out(self, site: AttentionSite, out: Tensor) -> Tensor:
        """The two readings of the target as one: as many rows as came."""
        share = F.adaptive_avg_pool2d(self._inside, site.shape).to(out).flatten(2)[0].T
        return torch.cat([out[:-2], out[-2:-1] * (1 - share) + out[-1:] * share])

    def _read_positions(self, shape: tuple[int, int]) -> Tensor:
        """int64 (m,): where the anomalies lie in the R references' maps of ``shape``, one map after the other."""
        return torch.nonzero(F.adaptive_max_pool2d(self._anomaly, shape).flatten() > 0)[:, 0]


def _pooled(rows: Tensor) -> Tensor:
    """Keys or values (R, heads, n, d) of R references as those of one: (1, heads, R n, d)."""
    return rows.transpose(0, 1).flatten(1, 2)[None]


def _padded(rows: Tensor, length: int) -> Tensor:
    """(B, heads, n, d) with zeros up to ``length`` positions."""
    return F.pad(rows, (0, 0, 0, length - rows.shape[2]))


def _shut_after(keys: Tensor, length: int) -> Tensor:
    """Keys (B, heads, length, d + _EXTRA): those that are added get no attention, the others what they had."""
    door = torch.zeros((*keys.shape[:2], length, _EXTRA), dtype=keys.dtype, device=keys.device)
    door[:, :, keys.shape[2] :, 0] = _SHUT
    return torch.cat([_padded(keys, length), door], dim=3)
