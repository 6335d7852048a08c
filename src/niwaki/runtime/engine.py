"""The engine: runs a program on batches, explains its choices, hands out every value.

The C++ core loads, checks, decodes and runs; this face converts arrays. Neither torch nor onnx is
imported, except by `Engine("model.onnx")`, which compiles first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki import _core
from niwaki.errors import ShapeError, ValueDomainError
from niwaki.formats.bit_planes import pack_channels, unpack_channels, words_per_pixel
from niwaki.runtime import nwk
from niwaki.runtime._check_header import check_header
from niwaki.runtime._inputs import check_inputs
from niwaki.runtime._tune import TUNE_MS, choices_text, keep, remembered
from niwaki.runtime.info import BandGroup, KernelInfo, LayerInfo
from niwaki.runtime.program import TENSOR_DTYPES, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from niwaki.runtime._inputs import Images

TIMED_RUNS = 5
"""Runs over which `explain` takes the median time of each layer."""


class Engine:
    """Run a program.

    Args:
        model: A `.nwk` file, an `.onnx` file (compiled first), or a `Program`.
        threads: Threads that one call may use, itself included.
        isa: `auto`, or the name of an instruction set (`isas()`) not to exceed.
        input_shape: (C, H, W) to compile an `.onnx` file for; a `.nwk` file's shape is fixed, so it
            must be the same there.
        kernels: Names of kernels (`kernels()`) or convolution algorithms to force, each where it
            applies.
        tune: Measure the algorithms of each float convolution that this machine's cost table
            doesn't know, and keep the times there (docs/choice.md). Otherwise a layer that isn't
            known is chosen by estimate.
        choices: Layer name -> algorithm, or {"algorithm": name, "tuning": {key: whole number}}:
            what runs a float convolution, whatever was measured.
        activations: Layer name -> share of its inputs that aren't zero, as `activation_densities`
            measures it: where few are left, an activation-sparse algorithm may win. Layers that
            aren't named are taken as dense.
        bands: Run layers band by band through the cache where the model of bytes says that it pays
            (one thread only). Off, because it gains little (docs/design/bands.md).
        pin: Bind each thread of the engine's own to one CPU; the caller's is left alone.
        on_tune: Called with a layer's name before it is measured, e.g. to show progress.

    Raises:
        FormatError: The file is damaged; names file and check.
        InputError: The file can't be read.
        UnsupportedOpError: The program holds an op that the engine doesn't run.
        ValueDomainError: A weight is NaN, or `threads` isn't a whole number in [1, 1024] or more
            than the system gives.
        RegistryError: `isa`, a kernel or an algorithm is unknown.

    A call may run from many Python threads at once; the GIL is released meanwhile. In the child of
    a fork, engines of the parent run on the caller's thread alone.
    """

    def __init__(
        self,
        model: str | Path | Program,
        threads: int = 1,
        isa: str = "auto",
        input_shape: Sequence[int] | None = None,
        kernels: Sequence[str] | None = None,
        tune: bool = False,
        choices: Mapping[str, Any] | None = None,
        activations: Mapping[str, float] | None = None,
        pin: bool = False,
        bands: bool = False,
        on_tune: Callable[[str], object] | None = None,
    ) -> None:
        if not _is_whole(threads) or not 1 <= threads <= 1024:
            raise ValueDomainError(
                "engine", "threads must be in [1, 1024], a whole number", got=repr(threads)
            )
        options: dict[str, Any] = {
            "threads": threads,
            "isa": isa,
            "kernels": list(kernels or ()),
            "choices": choices_text(choices, threads, isa, activations),
            "pin": pin,
            "tune_ms": TUNE_MS if tune else 0.0,
            "on_tune": on_tune,
            "bands": bands,
        }
        if isinstance(model, Program):
            self.program = model
            name = str(model.header.get("name") or "program")
            data = nwk.to_bytes(model, name)
            self._core = _core.Engine.from_bytes(data, name, **options)
        elif Path(model).suffix == ".onnx":
            self.program = _compile(Path(model), input_shape)
            name = Path(model).name
            data = nwk.to_bytes(self.program, name)
            self._core = _core.Engine.from_bytes(data, name, **options)
        else:
            self._core = _core.Engine.from_file(str(model), **options)
            self.program = _program_of(self._core, Path(model).name)
        self._input = self.program.header["inputs"][0]
        self._check_wish(input_shape)
        keep(self._core.measured)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The image's shape, (C, H, W) or (C,), without the batch; the first input's."""
        return self._shape(self._input)

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input by name, without the batch."""
        values = self.program.values
        return {values[i]["name"]: self._shape(i) for i in self.program.header["inputs"]}

    @property
    def threads(self) -> int:
        """Threads that one call may use."""
        return self._core.threads

    @property
    def isa(self) -> str:
        """The instruction set chosen, e.g. `x86_avx2`."""
        return self._core.isa

    @property
    def band_groups(self) -> list[BandGroup]:
        """The layers that one thread runs band by band; none unless asked for with `bands`."""
        return [BandGroup(*group) for group in self._core.band_groups]

    @property
    def memory_bytes(self) -> int:
        """Bytes held: the file, the decoded weights, and the memory of each call at once.

        Of single images: a batch's values may take up to 64 MiB a thread on top while it runs.
        """
        return self._core.memory_bytes

    def __repr__(self) -> str:
        name = self.program.header.get("name", "")
        layers = len(self.program.layers)
        return f"Engine({name!r}, {layers} layers, input {self.input_shape}, isa={self.isa!r})"

    def __call__(self, x: Images) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """Run a batch.

        Args:
            x: Images. Shape (N, C, H, W) with N >= 0, float32. A program with several inputs takes
                a list of arrays in the order of its inputs, or a dict of arrays by name.

        Returns:
            The output, shape (N, ...); a tuple where the program has several. Bits come as float32
            0 and 1.

        Raises:
            ShapeError: Another shape than the program's.
            ValueDomainError: Another dtype than float32.
            InputError: Several inputs, and not all of them given.
        """
        ids: list[int] = self.program.header["outputs"]
        found = self._run(x, ids)
        outputs = tuple(found[value] for value in ids)
        return outputs[0] if len(outputs) == 1 else outputs

    def values(self, x: Images) -> dict[str, NDArray[Any]]:
        """Run a batch and return every value by name, input and outputs included.

        Args:
            x: Images, as in a call.

        Returns:
            Arrays of shape (N, C, H, W) or (N, C); bits as float32 0 and 1.
        """
        inputs: list[int] = self.program.header["inputs"]
        ids = [*inputs, *(layer["output"] for layer in self.program.layers)]
        found = self._run(x, ids)
        return {self.program.values[value]["name"]: array for value, array in found.items()}

    def run_layer(self, index: int, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run one layer on given inputs.

        Args:
            index: The layer's position in the program.
            inputs: One array per input, in the order of the layer's `inputs`, shape (C, H, W) or
                (C,), or all with a batch in front. Any dtype that holds the numbers exactly;
                bits as 0 and 1.

        Returns:
            The layer's output in a list; with a batch where the inputs have one.

        Raises:
            ShapeError: The number of inputs or a shape isn't the layer's.
            ValueDomainError: A number doesn't fit its value's dtype.
        """
        layers = self.program.layers
        if not 0 <= index < len(layers):
            raise ValueDomainError("run_layer", f"index must be in [0, {len(layers)})", got=index)
        ids = self._core.layers[index]["inputs"]
        where = f"run_layer {index} ({layers[index]['name']})"
        if len(inputs) != len(ids):
            raise ShapeError(where, f"{len(ids)} inputs must be given", got=len(inputs))
        batched = np.ndim(inputs[0]) > len(self._shape(ids[0]))
        arrays = [
            self._to_value(where, value, np.asarray(array), batched)
            for value, array in zip(ids, inputs, strict=True)
        ]
        images = arrays[0].shape[0]
        if any(array.shape[0] != images for array in arrays):
            raise ShapeError(
                where, "all inputs must have one batch size", got=[len(array) for array in arrays]
            )
        output: int = layers[index]["output"]
        result = self._empty(output, images)
        self._core.run_layer(index, [_bytes(array) for array in arrays], images, _bytes(result))
        plain = self._from_value(output, result)
        return [plain if batched else plain[0]]

    def explain(self, x: Images | None = None) -> list[LayerInfo]:
        """Describe each layer: what it is, which kernel runs it and why, and how long it takes.

        Args:
            x: Images to measure on, as in a call; the first is used. Random ones when not given.
        """
        if x is None:
            rng = np.random.default_rng(0)
            shapes = self.input_shapes
            x = {name: rng.random((1, *shape), np.float32) for name, shape in shapes.items()}
        images = [array[:1] for array in check_inputs(self.program, x)]
        if not images[0].shape[0]:
            raise ShapeError("explain", "x must hold an image", got=f"shape {images[0].shape}")
        times = self._core.time_layers([_bytes(image) for image in images], TIMED_RUNS)
        infos: list[LayerInfo] = []
        for index, (layer, ms) in enumerate(zip(self._core.layers, times, strict=True)):
            infos.append(
                LayerInfo(
                    index=index,
                    op=layer["op"],
                    name=layer["name"],
                    input_shapes=tuple(self._shape(value) for value in layer["inputs"]),
                    output_shape=self._shape(layer["output"]),
                    output_dtype=self.program.values[layer["output"]]["dtype"],
                    density=layer["density"] if layer["density"] >= 0 else None,
                    weight_bits=layer["tensor_bytes"] * 8,
                    macs=layer["macs"],
                    binary_macs=layer["binary_macs"],
                    kernel=layer["kernel"],
                    reason=layer["reason"],
                    ms=ms,
                    algorithm=layer["algorithm"],
                    tuning=layer["tuning"],
                    conversions=tuple(layer["conversions"]),
                )
            )
        return infos

    def activation_densities(self, x: Images) -> dict[str, float]:
        """Measure how many inputs of each convolution aren't zero, on images of the user's.

        Args:
            x: A few images, as in a call.

        Returns:
            Layer name -> share of non-zero inputs, in [0, 1]; what `activations` takes.
        """
        values = self.values(x)
        names = [value["name"] for value in self.program.values]
        convolutions = [
            (layer["name"], names[layer["inputs"]["x"]])
            for layer in self.program.layers
            if layer["op"] == "conv" and "x" in layer["inputs"]
        ]
        return {
            layer: float(np.count_nonzero(values[name]) / max(1, values[name].size))
            for layer, name in convolutions
        }

    def remember_choices(self) -> dict[str, Any]:
        """Note in the program which times decided here; `nwk.write` then keeps them in the file.

        An engine on a processor of the same name starts with them (docs/choice.md).

        Returns:
            What was noted: `cpu` and `problems` (key -> times); {} where nothing was measured.
        """
        choices = remembered(self._core.used)
        source = dict(self.program.header.get("source", {}))
        source.pop("choices", None)
        self.program.header["source"] = {**source, "choices": choices} if choices else source
        return choices

    def _run(self, x: Images, ids: Sequence[int]) -> dict[int, NDArray[Any]]:
        inputs = check_inputs(self.program, x)
        count = inputs[0].shape[0]
        results = {value: self._empty(value, count) for value in ids}
        self._core.run(
            [_bytes(array) for array in inputs],
            count,
            list(results),
            [_bytes(array) for array in results.values()],
        )
        return {value: self._from_value(value, array) for value, array in results.items()}

    def _check_wish(self, input_shape: Sequence[int] | None) -> None:
        if input_shape is not None and tuple(input_shape) != self.input_shape:
            raise ShapeError(
                "engine",
                f"input_shape must be {self.input_shape}, for which the program is packed",
                got=tuple(input_shape),
                fix="Compile the .onnx file again for the other shape",
            )

    def _shape(self, value: int) -> tuple[int, ...]:
        return tuple(self.program.values[value]["shape"])

    def _is_bits(self, value: int) -> bool:
        return self.program.values[value]["layout"] == "words"

    def _empty(self, value: int, images: int) -> NDArray[Any]:
        shape = self._shape(value)
        if self._is_bits(value):
            channels, height, width = (*shape, 1, 1)[:3]
            return np.empty((images, height, width, words_per_pixel(channels)), np.uint64)
        return np.empty((images, *shape), TENSOR_DTYPES[self.program.values[value]["dtype"]])

    def _from_value(self, value: int, array: NDArray[Any]) -> NDArray[Any]:
        """Return the engine's array of a value as a plain one."""
        if not self._is_bits(value):
            return array
        shape = self._shape(value)
        bits = unpack_channels(array, shape[0]).astype(np.float32)
        return bits.reshape(array.shape[0], *shape)

    def _to_value(self, where: str, value: int, array: NDArray[Any], batched: bool) -> NDArray[Any]:
        """Return a plain array as the engine's array of a value, batch in front."""
        shape = self._shape(value)
        name = self.program.values[value]["name"]
        if not batched:
            array = array[None]
        if array.shape[1:] != shape:
            raise ShapeError(
                where, f"{name!r} must have shape {shape}, or (N, *{shape})", got=array.shape
            )
        bits = self._is_bits(value)
        dtype = np.dtype(np.uint8) if bits else TENSOR_DTYPES[self.program.values[value]["dtype"]]
        with np.errstate(invalid="ignore"):  # told below
            converted = array.astype(dtype)
        same = np.array_equal(
            converted.astype(array.dtype), array, equal_nan=array.dtype.kind == "f"
        )
        if not same or (bits and converted.max(initial=0) > 1):
            raise ValueDomainError(
                where,
                f"{name!r} must hold {'0 and 1' if bits else f'numbers that fit {dtype}'}",
                got=f"others, as {array.dtype}",
            )
        if bits:
            channels, height, width = (*shape, 1, 1)[:3]
            return pack_channels(converted.reshape(-1, channels, height, width))
        return np.ascontiguousarray(converted)


def kernels() -> list[KernelInfo]:
    """Return every kernel of this build, best first within an op.

    Example:
        >>> any(kernel.op == "ConvB1" and kernel.available for kernel in kernels())
        True
    """
    return [
        KernelInfo(kernel.name, kernel.family, kernel.op, kernel.isa, kernel.available)
        for kernel in _core.kernels()
    ]


def isas() -> list[str]:
    """Return the names of the instruction sets that this CPU runs, best first.

    Example:
        >>> isas()[-1]
        'portable'
    """
    return list(_core.isas())


def _is_whole(number: object) -> bool:
    """Tell whether a number is an int, Python's or NumPy's; a bool is none."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a contiguous array's memory as bytes."""
    return array.reshape(-1).view(np.uint8)


def _program_of(core: _core.Engine, name: str) -> Program:
    """Return the program that C++ has read: its JSON, and views of its tensors."""
    header = json.loads(core.program_text)
    check_header(name, header)
    raw: dict[str, NDArray[np.uint8]] = core.tensors()
    tensors = {
        key: raw[key].view(TENSOR_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        for key, tensor in header["tensors"].items()
    }
    return Program(header, tensors)


def _compile(path: Path, input_shape: Sequence[int] | None) -> Program:
    """Compile an `.onnx` file; the only way here that imports onnx."""
    from niwaki.graph import load
    from niwaki.runtime.compile import compile_graph

    return compile_graph(load(path), input_shape=input_shape)
