"""Formats: how a weight tensor is stored for the packed file and read by the kernels (NumPy only).

A format turns a weight tensor into named arrays and back, exactly. One file per format; each
registers itself in `FORMATS`.
"""

from __future__ import annotations

from niwaki.formats._base import FORMATS as FORMATS, Encoded as Encoded, Format as Format

__all__ = ["FORMATS", "Encoded", "Format"]
