"""Networks with weights that others trained for ImageNet and gave away in formats of their own.

Four files of $NIWAKI_DATA/weights, each with the pictures its network wants. Two hold 8-bit
integers of TensorFlow Lite: they are dequantised here, weights and biases exactly, activations run
in floats. One is Keras', one the result of Deep Compression (a third of the weights isn't zero).

Source: the files' own pages name repositories and licences (google-coral/test_data, Apache-2.0;
Keras Applications, MIT; songhan/SqueezeNet-Deep-Compression, BSD-2).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from niwaki._npz import load_arrays
from niwaki.errors import FormatError, InputError
from niwaki.models._registry import create
from niwaki.models._weights import fill
from niwaki.preprocess import make_preprocess
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Trained:
    """Hold a network with trained weights and what it wants to see."""

    model: nn.Module
    """In eval mode: float32 (N, 3, H, W) -> logits (N, outputs)."""
    preprocess: dict[str, Any]
    """As `niwaki.preprocess` wants it; RGB."""
    first_class: int
    """Output of ImageNet's class 0: 1 where output 0 is "background", else 0."""


@dataclass(frozen=True)
class _Source:
    """Say where a file is, what network it fills, and how its arrays become a state dict."""

    file: str
    model: str
    outputs: int
    size: int
    crop: float
    scale: float
    mean: tuple[float, float, float]
    read: Callable[[nn.Module, Arrays, str], Arrays]


_TRAINED: Registry[_Source] = Registry("trained network", "niwaki.models")


def trained_names() -> list[str]:
    """Return the names that `load_trained` knows, sorted.

    Example:
        >>> "squeezenet-deep-compression" in trained_names()
        True
    """
    return _TRAINED.names()


def load_trained(name: str, folder: str | Path | None = None) -> Trained:
    """Make a network and fill it with weights that others trained.

    Args:
        name: One of `trained_names`.
        folder: Where the weights' files are; None takes ``weights`` in the folder that the
            environment variable NIWAKI_DATA names.

    Raises:
        RegistryError: The name is unknown.
        InputError: The file is missing, NIWAKI_DATA isn't set, or arrays are missing.
        FormatError: The file is damaged.   ShapeError: An array has another shape than its layer.
        ValueDomainError: A weight isn't finite.
    """
    source = _TRAINED.get(name)
    where = f"trained network {name}"
    path = _folder(folder, where) / source.file
    if not path.is_file():
        raise InputError(where, "the weights must be a file that exists", got=str(path))
    model = create(source.model, source.outputs, input_size=source.size)
    try:
        state = source.read(model, load_arrays(path, where), where)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FormatError(
            where, "the file must hold this network's arrays", got=f"an error: {error!r}"
        ) from error
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in state.items()}
    fill(model, tensors, where)
    size = (source.size, source.size)
    preprocess = make_preprocess(
        size, source.mean, (1.0, 1.0, 1.0), crop=source.crop, scale=source.scale
    )
    return Trained(model.eval(), preprocess, source.outputs - 1000)


def _folder(folder: str | Path | None, where: str) -> Path:
    if folder is not None:
        return Path(folder)
    root = os.environ.get("NIWAKI_DATA")
    if not root:
        raise InputError(
            where,
            "a folder of weights must be given, or NIWAKI_DATA be set",
            fix="NIWAKI_DATA=<folder>, with the weights in its folder weights/",
        )
    return Path(root) / "weights"


def _read_uint8(model: nn.Module, arrays: Arrays, where: str) -> Arrays:
    """Dequantise TensorFlow Lite's layers: (w - w_zp) * w_scale, bias * b_scale.

    Batch norm was folded before quantisation: ours becomes the identity plus the bias.
    """
    steps: list[dict[str, Any]] = [
        step for step in json.loads(str(arrays["graph"][0]))["ops"] if "param" in step
    ]
    state: Arrays = {}
    targets = _layers_with_norms(model)
    if len(steps) != len(targets):
        raise FormatError(where, f"the file must have {len(targets)} layers", got=len(steps))
    for step, (name, norm) in zip(steps, targets, strict=True):
        key = step["param"]
        weight = arrays[f"{key}.w"].astype(np.float64) - int(step["w_zp"])
        weight = (weight * float(step["w_scale"])).astype(np.float32)
        bias = (arrays[f"{key}.b"] * float(step["b_scale"])).astype(np.float32)
        if norm:
            module = model.get_submodule(norm)
            assert isinstance(module, nn.BatchNorm2d)
            state[f"{name}.weight"] = weight
            state |= _norm(norm, np.ones_like(bias), bias, np.zeros_like(bias), 1 - module.eps)
        else:
            state[f"{name}.weight"] = weight.reshape(weight.shape[0], -1)
            state[f"{name}.bias"] = bias
    return state


def _read_keras(model: nn.Module, arrays: Arrays, where: str) -> Arrays:
    """Rename Keras' layers; theirs and ours come in the same order."""
    names = ["conv1"]
    names += [f"conv_{kind}_{i}" for i in range(1, 14) for kind in ("dw", "pw")]
    state: Arrays = {}
    targets = _layers_with_norms(model)
    for key, (name, norm) in zip([*names, "conv_preds"], targets, strict=True):
        kernel = "depthwise_kernel" if "_dw_" in key else "kernel"
        weight = arrays[f"{key}.{kernel}"]
        if norm:
            state[f"{name}.weight"] = weight
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            state |= _norm(norm, *(arrays[f"{key}_bn.{part}"] for part in parts))
        else:
            state[f"{name}.weight"] = weight.reshape(weight.shape[0], -1)
            state[f"{name}.bias"] = arrays[f"{key}.bias"]
    return state


def _read_squeezenet(model: nn.Module, arrays: Arrays, where: str) -> Arrays:
    """Rename the Caffe layers; the file's stem reads BGR, ours RGB."""
    names = {"conv1": "features.0", "conv_final": "classifier.1"}
    indices = [3, 4, 5, 7, 8, 9, 10, 12]
    parts = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1x1", "conv3x3_2": "expand3x3"}
    for fire, index in enumerate(indices, start=2):
        names |= {f"fire{fire}.{a}": f"features.{index}.{b}" for a, b in parts.items()}
    state = {
        f"{ours}.{kind}": arrays[f"{theirs}.{kind}"]
        for theirs, ours in names.items()
        for kind in ("weight", "bias")
    }
    state["features.0.weight"] = state["features.0.weight"][:, ::-1]
    return state


def _norm(
    name: str, gamma: Any, beta: Any, mean: NDArray[Any], variance: NDArray[Any] | float
) -> Arrays:
    variance = np.broadcast_to(np.float32(variance), mean.shape)
    values = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
    return {f"{name}.{key}": value for key, value in values.items()}


def _layers_with_norms(model: nn.Module) -> list[tuple[str, str]]:
    """Return each convolution's and linear layer's name and that of the batch norm behind it."""
    found: list[tuple[str, str]] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            found.append((name, ""))
        elif isinstance(module, nn.BatchNorm2d):
            found[-1] = (found[-1][0], name)
    return found


_HALF = (1.0, 1.0, 1.0)  # what is taken off after the scale: pixels end up in [-1, 1]
_CROP = 224 / 256

_TRAINED.register("mobilenet-v2-uint8")(
    _Source(
        "mobilenet_v2_1.0_224_uint8_imagenet.npz",
        "mobilenet-v2-same", 1001, 224, _CROP, 1 / 128, _HALF, _read_uint8,
    )
)  # fmt: skip
_TRAINED.register("mobilenet-v1-0.5-uint8")(
    _Source(
        "mobilenet_v1_0.5_160_uint8_imagenet.npz",
        "mobilenet-v1-0.5-same", 1001, 160, _CROP, 1 / 128, _HALF, _read_uint8,
    )
)  # fmt: skip
_TRAINED.register("mobilenet-v1-0.25-keras")(
    _Source(
        "mobilenet_v1_0.25_224_imagenet.npz",
        "mobilenet-v1-0.25-same", 1000, 224, _CROP, 1 / 127.5, _HALF, _read_keras,
    )
)  # fmt: skip
_TRAINED.register("squeezenet-deep-compression")(
    _Source(
        "squeezenet_v1.0_deepcompression_imagenet.npz",
        "squeezenet1-0", 1000, 227, 227 / 256, 1.0, (123.0, 117.0, 104.0), _read_squeezenet,
    )
)  # fmt: skip
