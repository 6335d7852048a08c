"""A program's values and layers while it is put together, with layout conversions on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Values:
    """Collect values, layers and tensors.

    A {0,1} value may exist as words and as planes; the one that's missing is made by an explicit
    layer when it is first read.

    Args:
        is_integer: Whether bits unpack to u8 instead of f32.
    """

    def __init__(self, *, is_integer: bool) -> None:
        self.table: list[dict[str, Any]] = []
        self.layers: list[dict[str, Any]] = []
        self.tensors: dict[str, NDArray[Any]] = {}
        self.bit_planes = "u8" if is_integer else "f32"
        """The dtype of bits in planes."""
        self._words: dict[str, int] = {}
        self._planes: dict[str, int] = {}

    def add(self, name: str, dtype: str, shape: tuple[int, ...]) -> int:
        """Add a value and return its id."""
        is_words = dtype == "u1"
        layout = "words" if is_words else "planes"
        self.table.append({"name": name, "dtype": dtype, "layout": layout, "shape": list(shape)})
        (self._words if is_words else self._planes)[name] = len(self.table) - 1
        return len(self.table) - 1

    def has_words(self, name: str) -> bool:
        """Tell whether a value exists as words."""
        return name in self._words

    def shapes(self, inputs: Mapping[str, str]) -> list[tuple[int, ...]]:
        """Return the shapes of a layer's inputs."""
        ids = [self._words.get(name, self._planes.get(name, -1)) for name in inputs.values()]
        return [tuple(self.table[i]["shape"]) for i in ids]

    def planes(self, name: str) -> int:
        """Return a value's id as planes, unpacking its bits if need be."""
        if name not in self._planes:
            words = self._words[name]
            shape = tuple(self.table[words]["shape"])
            made = self.add(f"{name}.planes", self.bit_planes, shape)
            self.layer("unpack_bits", f"{name}.unpack", {"x": words}, made, {}, {})
            self._planes[name] = made
        return self._planes[name]

    def words(self, name: str) -> int:
        """Return a {0,1} value's id as words, packing it if need be."""
        if name not in self._words:
            planes = self._planes[name]
            shape, dtype = tuple(self.table[planes]["shape"]), self.table[planes]["dtype"]
            made = self.add(f"{name}.words", "u1", shape)
            level = np.float32 if dtype == "f32" else np.int32
            arrays = {"sign": np.ones(shape[0], np.int8), "level": np.ones(shape[0], level)}
            self.layer("threshold", f"{name}.pack", {"x": planes}, made, {}, arrays)
            self._words[name] = made
        return self._words[name]

    def layer(
        self,
        op: str,
        name: str,
        inputs: dict[str, Any],
        output: int,
        attrs: dict[str, Any],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        """Add a layer; its arrays become tensors called after it."""
        tensors: dict[str, str] = {}
        for role, array in arrays.items():
            key, count = f"{name}.{role}", 1
            while key in self.tensors:
                count += 1
                key = f"{name}.{count}.{role}"
            tensors[role] = key
            self.tensors[tensors[role]] = np.asarray(array, order="C")
        self.layers.append(
            {
                "op": op,
                "name": name,
                "inputs": inputs,
                "output": output,
                "attrs": attrs,
                "tensors": tensors,
            }
        )
