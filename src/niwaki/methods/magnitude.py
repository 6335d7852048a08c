"""Gradual magnitude pruning: the smallest weights become zero along a cubic ramp.

Source: Zhu, Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", 2017, arXiv:1710.01878.

Paper   Here              Meaning
s_i     initial_sparsity  sparsity at the start of the ramp, in [0, 1]
s_f     sparsity          final sparsity, in [0, 1)
t_0     hold              start of the ramp, as a share of the training
n dt    ramp              length of the ramp, as a share of the training
dt      mask_interval     steps between two recomputations of the masks

Departures:
- Shares of the training stand for step numbers, so that one recipe fits any length.
- dt is 50 steps (paper: 100 to 1000), and shorter in short runs (at least 16 updates a ramp).
- The first conv and the last linear layer stay dense unless named.
- A pruned weight may return at a later recomputation, since its value is kept behind the mask; the
  paper leaves the same door open (masked weights "are not updated").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from niwaki.methods._base import MethodConfig, register_method
from niwaki.methods._masked import MaskedConfig, MaskedMethod


@dataclass(frozen=True)
class MagnitudeConfig(MaskedConfig):
    """Hold the settings of magnitude pruning; see the symbol table above."""


@register_method("magnitude", source="arXiv:1710.01878")
class Magnitude(MaskedMethod):
    """Zero the weights of smallest magnitude; everything is in the shared base."""

    Config: ClassVar[type[MethodConfig]] = MagnitudeConfig
