"""The engine as an `onnx.backend`: what runs ONNX's own node tests.

A node test feeds weights and shapes as inputs of the graph, so the inputs that the engine needs as
constants are bound when the model runs, and each new set of them is compiled once.

Example:
    >>> NiwakiBackend.supports_device("CPU"), NiwakiBackend.supports_device("CUDA")
    (True, False)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from niwaki.errors import InputError, NiwakiError, UnsupportedOpError
from niwaki.graph._opset import convert_opset
from niwaki.graph.io import from_proto, name_nodes
from niwaki.runtime._onnx_claims import CLAIMS
from niwaki.runtime.compile import compile_graph
from niwaki.runtime.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from niwaki.runtime.program import Program

_FLOAT = onnx.TensorProto.FLOAT
_QUANTIZED = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
_INTEGER_OPS = ("QLinearConv", "QLinearMatMul")
_PLAIN = ("", "ai.onnx")


class NiwakiRep(BackendRep):
    """Hold a model within the claims, ready to run.

    Args:
        model: The model.
        threads: As for `niwaki.Engine`.
    """

    def __init__(self, model: onnx.ModelProto, threads: int = 1) -> None:
        self._model = model
        self._threads = threads
        self._bound = check_claims(model)
        known = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [info.name for info in model.graph.input if info.name not in known]
        self._engines: dict[bytes, tuple[Engine, bool]] = {}

    def run(self, inputs: Sequence[NDArray[Any]], **kwargs: Any) -> tuple[NDArray[Any], ...]:
        """Run the model once.

        Args:
            inputs: One array per input of the graph, in order.
            kwargs: None are known.

        Returns:
            The outputs, a tuple that also has their names.

        Raises:
            InputError: Another number of inputs.
            UnsupportedOpError: The engine can't run it with these constants.
        """
        if len(inputs) != len(self._inputs) or kwargs:
            raise InputError(
                "onnx_backend", f"{len(self._inputs)} inputs must be given", got=len(inputs)
            )
        feeds = dict(zip(self._inputs, map(np.asarray, inputs), strict=True))
        constants = {name: array for name, array in feeds.items() if name in self._bound}
        data = [np.asarray(a, np.float32) for name, a in feeds.items() if name not in constants]
        engine, batched = self._engine(constants)
        results = engine(data if batched else [array[None] for array in data])
        arrays = results if isinstance(results, tuple) else (results,)
        if not batched:
            arrays = tuple(array[0] for array in arrays)
        kinds = [info.type.tensor_type.elem_type for info in self._model.graph.output]
        typed = (
            array.astype(helper.tensor_dtype_to_np_dtype(kind), copy=False)
            for array, kind in zip(arrays, kinds, strict=True)
        )
        names = [info.name for info in self._model.graph.output]
        return namedtupledict("Outputs", names)(*typed)

    def _engine(self, constants: dict[str, NDArray[Any]]) -> tuple[Engine, bool]:
        """Return the engine for some constants, and whether the first axis is its batch."""
        key = b"".join(array.tobytes() + str(array.shape).encode() for array in constants.values())
        if key not in self._engines:
            program, batched = _compile(self._model, constants)
            self._engines[key] = Engine(program, threads=self._threads), batched
        return self._engines[key]


class NiwakiBackend(Backend):
    """Run ONNX models on the engine, within the claims of docs/onnx-operators.md."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Tell whether a model lies within the claims; ONNX's test runner skips it where not."""
        try:
            check_claims(model)
        except UnsupportedOpError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> NiwakiRep:
        """Return a model ready to run.

        Args:
            model: The model; checked first.
            device: ``CPU``.
            kwargs: `threads`.

        Raises:
            UnsupportedOpError: It lies outside of the claims; names op, node and limit.
        """
        super().prepare(model, device, **kwargs)
        if not cls.supports_device(device):
            raise UnsupportedOpError("onnx_backend", "the device must be CPU", got=device)
        return NiwakiRep(model, threads=int(kwargs.get("threads", 1)))

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        """Prepare a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Tell whether a device is the CPU."""
        return device.split(":")[0] == "CPU"


def check_claims(model: onnx.ModelProto) -> set[str]:
    """Check that a model lies within the claims.

    Returns:
        Names of the graph's inputs that must be bound as constants.

    Raises:
        UnsupportedOpError: It doesn't; names op, node and limit.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise UnsupportedOpError(
            "onnx_backend", "shapes must be known", got=str(error).splitlines()[0]
        ) from error
    known = {tensor.name for tensor in graph.initializer}
    infos = {info.name: info for info in (*graph.input, *graph.value_info, *graph.output)}
    feeds = {info.name for info in graph.input} - known
    bound: set[str] = set()
    for node in graph.node:
        if _is_folded(node, known):
            known.update(node.output)
            continue
        claim = CLAIMS.get(node.op_type) if node.domain in _PLAIN else None
        if claim is None:
            raise _outside(node, "the op to be among docs/onnx-operators.md")
        for index in claim.constants:
            name = node.input[index] if index < len(node.input) else ""
            if not name or name in known:
                continue
            if name not in feeds:
                raise _outside(node, f"its input {index} to be constant")
            bound.add(name)
        _check_node(node, infos, bound | known)
    for info in graph.output:
        if info.name in known:
            raise UnsupportedOpError(
                "onnx_backend", "each output must depend on an input", got=repr(info.name)
            )
    for info in infos.values():
        if info.name not in known | bound:
            _check_value(info, graph)
    _check_open_sizes(model, bound)
    return bound


def _check_open_sizes(model: onnx.ModelProto, bound: set[str]) -> None:
    """Compile a model whose inputs leave sizes open.

    What becomes of an open size (a batch that a Shape or Size hands to a multiplication, images
    that meet) no table says; what needs constants when it runs is compiled then.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    sizes = (
        dim
        for info in model.graph.input
        if info.name not in known
        for dim in info.type.tensor_type.shape.dim
    )
    if bound or all(dim.HasField("dim_value") for dim in sizes):
        return
    try:
        _compile(model, {})
    except UnsupportedOpError:
        raise
    except NiwakiError as error:
        raise UnsupportedOpError(
            "onnx_backend", f"the model must run with sizes left open: {error.must}"
        ) from error


def _compile(model: onnx.ModelProto, constants: dict[str, NDArray[Any]]) -> tuple[Program, bool]:
    """Return the program for some constants, and whether the first axis is its batch."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    graph = proto.graph
    kept = [info for info in graph.input if info.name not in constants]
    del graph.input[:]
    graph.input.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in constants.items()
    )
    found = name_nodes(from_proto(convert_opset(proto, "onnx_backend")))
    try:
        return compile_graph(found), True
    except NiwakiError as error:
        # The axis that looks like a batch may be an axis like any other.
        try:
            return compile_graph(found, batched=False), False
        except NiwakiError:
            raise error from None


def _is_folded(node: onnx.NodeProto, known: set[str]) -> bool:
    """Tell whether a node is computed when the model is compiled."""
    if node.op_type in ("Shape", "Size"):
        return True
    random = node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")
    return not random and all(not name or name in known for name in node.input)


def _check_node(
    node: onnx.NodeProto, infos: dict[str, onnx.ValueInfoProto], constants: set[str]
) -> None:
    claim = CLAIMS[node.op_type]
    first = node.input[0] if node.input else ""
    if first in constants and node.op_type in ("Conv", "ConvTranspose", "Gather"):
        raise _outside(node, "its first input not to be constant")
    if first in infos:
        rank = len(infos[first].type.tensor_type.shape.dim)
        low, high = claim.ranks
        if not low <= rank <= high:
            raise _outside(node, f"{low} to {high} axes", str(rank))
    given = sum(bool(name) for name in node.input)
    if claim.inputs and given > claim.inputs:
        raise _outside(node, f"at most {claim.inputs} inputs", str(given))
    asked = sum(bool(name) for name in node.output)
    if claim.outputs and asked > claim.outputs:
        raise _outside(node, "its first output only", f"{asked} outputs")
    for index in (1, 4, 6) if node.op_type in _INTEGER_OPS else ():
        if node.input[index] in infos:
            kind = infos[node.input[index]].type.tensor_type.elem_type
            if kind != _FLOAT:
                raise _outside(node, "scales of float32", str(kind))
    for attribute in node.attribute:
        allowed = claim.attributes.get(attribute.name)
        if allowed is None:
            continue
        value: Any = helper.get_attribute_value(attribute)
        for element in value if isinstance(value, list) else [value]:
            word = element.decode() if isinstance(element, bytes) else element
            if word not in allowed:
                raise _outside(node, f"{attribute.name} of {allowed}", repr(word))


def _check_value(info: onnx.ValueInfoProto, graph: onnx.GraphProto) -> None:
    """Check dtype and sizes of a value: float32, or 8 bits between ops that quantise."""
    kind = info.type.tensor_type
    makers, readers = ("QuantizeLinear", *_INTEGER_OPS), ("DequantizeLinear", *_INTEGER_OPS)
    made = all(n.op_type in makers for n in graph.node if info.name in n.output)
    read = all(n.op_type in readers for n in graph.node if info.name in n.input)
    allowed = kind.elem_type == _FLOAT or (kind.elem_type in _QUANTIZED and made and read)
    if not info.type.HasField("tensor_type") or not allowed:
        raise UnsupportedOpError(
            "onnx_backend", f"value {info.name!r} must be a float32 tensor", got=str(kind.elem_type)
        )
    if any(dim.HasField("dim_value") and dim.dim_value < 1 for dim in kind.shape.dim):
        raise UnsupportedOpError(
            "onnx_backend", f"value {info.name!r} must have no axis of length 0"
        )


def _outside(node: onnx.NodeProto, need: str, got: str = "") -> UnsupportedOpError:
    more = {"got": got} if got else {}
    return UnsupportedOpError(
        "onnx_backend", f"{node.op_type} (node {node.name!r}) needs {need}", **more
    )
