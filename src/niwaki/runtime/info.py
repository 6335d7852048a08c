"""What the engine tells about its kernels and layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KernelInfo:
    """Describe one kernel of this build."""

    name: str
    """The C++ function; what `Engine(kernels=[...])` takes."""
    family: str
    """Its folder in `cpp/kernels`."""
    op: str
    """What it computes; kernels of one op are interchangeable."""
    isa: str
    """The instruction set it needs."""
    available: bool
    """Whether this CPU runs it."""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """Describe one layer as the engine runs it."""

    index: int
    """Position in the program."""
    op: str
    """`conv`, `linear`, `max_pool`, ..."""
    name: str
    """The layer's name, as in torch."""
    input_shapes: tuple[tuple[int, ...], ...]
    """(C, H, W) or (C,) of each input."""
    output_shape: tuple[int, ...]
    """(C, H, W) or (C,)."""
    output_dtype: str
    """`f32`, `u8`, `s8`, `s32` or `u1`."""
    density: float | None
    """Share of non-zeros among the weights of the dense or sparse branch; None without one."""
    weight_bits: int
    """Bits of the layer's tensors in the file, before padding."""
    macs: int
    """Multiplications for one image in the dense or sparse branch."""
    binary_macs: int
    """One-bit products for one image in the binary branch."""
    kernel: str
    """The kernels chosen."""
    reason: str
    """Why these."""
    ms: float
    """Milliseconds for one image, median over a few runs."""
    algorithm: str = ""
    """How a float convolution is computed, e.g. `sparse`, `winograd`; "" for other layers."""
    tuning: str = ""
    """The algorithm's setting, e.g. `tile=8 block=64`; "" for its own default."""
    conversions: tuple[str, ...] = ()
    """Copies between padded and compact form that the layer's values need."""


@dataclass(frozen=True)
class BandGroup:
    """Layers that run band by band through the cache; bytes are the model's, of one image."""

    first: int
    last: int
    """Behind the last layer."""
    rows: int
    """That the first layer makes in one band."""
    unfused: float
    """Bytes written and read layer by layer."""
    fused: float
    """Bytes written and read in bands."""
    background: float
    """Bytes of intermediate maps that are written back besides."""
