"""Prune a program's weights by size, to see what zeros would bring: for measuring, not for use."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import InputError
from niwaki.formats import FORMATS
from niwaki.runtime.program import Program
from niwaki.structures import create, density_of
from niwaki.targets._work import weight_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from niwaki.structures import Structure


def prune(program: Program, sparsity: float, *, structure: str = "unstructured") -> Program:
    """Return a copy in which each layer has lost its smallest weights.

    Left as they are: the stem (the first convolution), depthwise convolutions (one input channel
    a group), and layers whose weights are bits. Every other convolution and linear layer loses
    the same share, its own smallest; zeros that are there already count. Sparsity 0 changes
    nothing.

    Args:
        program: The packed network, in floats.
        sparsity: Share of zeros in each pruned layer, in [0, 1].
        structure: How zeros lie: a name of `niwaki.structures.STRUCTURES`, or ``Nx1`` for blocks of
            N output channels, e.g. ``4x1``.

    Raises:
        InputError: The program is in integers, or no layer could be pruned.
        RegistryError: The structure is unknown.
        ValueDomainError: The sparsity is outside [0, 1].

    Source: niwaki; magnitude pruning per layer is the usual baseline (Han et al. 2015).
    """
    density = density_of(sparsity)
    rule = structure_of(structure)
    layers = prunable(program)
    pruned = Program(copy.deepcopy(program.header), dict(program.tensors))
    if density == 1:
        return pruned
    for index in layers:
        layer = pruned.layers[index]
        weight = dense_weight(program, program.layers[index])
        mask = rule.masks({layer["name"]: np.abs(weight)}, density)[layer["name"]]
        _store(pruned, layer, np.where(mask, weight, np.float32(0)))
    return pruned


def structure_of(name: str) -> Structure:
    """Return the structure of a name; ``4x1`` is ``block`` with four output channels.

    Raises:
        RegistryError: The structure is unknown.
        ValueDomainError: A block has no channel.

    Example:
        >>> structure_of("4x1").rows
        4
    """
    rows, times, columns = name.partition("x")
    if times and columns == "1" and rows.isdecimal():
        return create("block", rows=int(rows))
    return create(name)


def prunable(program: Program) -> list[int]:
    """Return the positions of the layers that `prune` prunes.

    Raises:
        InputError: The program is in integers, or there are none.
    """
    if program.header["form"] != "float":
        raise InputError(
            "prune", "the network must be in floats", got=f"the form {program.header['form']!r}"
        )
    found: list[int] = []
    stem = True
    for index, layer in enumerate(program.layers):
        if layer["op"] not in ("conv", "linear") or layer["attrs"].get("weight") == "none":
            continue
        is_stem = stem and layer["op"] == "conv"
        stem = stem and not is_stem
        shape = weight_shape(program, layer)
        is_depthwise = layer["op"] == "conv" and shape[1] == 1
        if not is_stem and not is_depthwise:
            found.append(index)
    if not found:
        raise InputError(
            "prune",
            "the network must have a convolution behind the first, or a linear layer",
            got=f"{len(program.layers)} layers without one",
        )
    return found


def dense_weight(program: Program, layer: dict[str, Any]) -> NDArray[np.float32]:
    """Return a layer's float weight. Shape (O, C/groups, kh, kw) or (O, K), zeros filled in."""
    tensors = {role: program.tensors[name] for role, name in layer["tensors"].items()}
    if "weight" in tensors:
        return tensors["weight"]
    entries = {
        role.removeprefix("weight."): array
        for role, array in tensors.items()
        if role.startswith("weight.")
    }
    return np.asarray(
        FORMATS.get("entries").decode(entries, weight_shape(program, layer)), np.float32
    )


def _store(program: Program, layer: dict[str, Any], weight: NDArray[np.float32]) -> None:
    """Put a weight into a program in the form that takes less room."""
    from niwaki.runtime._compile_tensors import encode_arrays

    for role in [role for role in layer["tensors"] if role.split(".")[0] == "weight"]:
        del program.tensors[layer["tensors"].pop(role)]
    attributes, arrays = encode_arrays({"weight": weight})
    layer["attrs"] |= attributes
    for role, array in arrays.items():
        name = f"{layer['name']}.{role}"
        layer["tensors"][role] = name
        program.tensors[name] = array
