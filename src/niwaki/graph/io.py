"""Read and write the Graph: ONNX, IR 8, opset 18, with the bodies of our functions inside.

What is foreign is brought into the dialect on the way in (opset, functions of other domains,
names); what leaves is checked, has a static shape for every tensor (batch aside) and appears under
its name at once or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir
from google.protobuf.message import DecodeError

from niwaki._files import write_bytes
from niwaki.errors import FormatError, InputError, ValueDomainError
from niwaki.graph._ceil_mode import settle_ceil_mode
from niwaki.graph._guards import check_for_crashes
from niwaki.graph._opset import convert_opset
from niwaki.graph._refusals import first_line, refusing
from niwaki.graph.functions import DOMAINS, IR_VERSION, NIWAKI, QONNX, attach_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BATCH = "N"


def load(path: str | Path) -> ir.Model:
    """Read an ONNX file into the dialect.

    Args:
        path: The file; weights in files beside it (external data) are read too.

    Returns:
        The model: opset 18, functions of foreign domains inlined, every node named, values with
        shapes.

    Raises:
        InputError: The file is missing.
        FormatError: It isn't ONNX, is damaged, or its external data is missing.
        UnsupportedOpError: Its opset can't be converted to 18.
        ValueDomainError: A weight holds NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("load", "the model must be a file that exists", got=str(path))
    proto = _read(path)
    _check(proto, path.name)
    check_for_crashes(proto, f"load {path.name}")
    with refusing(f"load {path.name}", "the model must follow ONNX's rules"):
        proto = convert_opset(proto, f"load {path.name}")
        if any(function.domain not in DOMAINS for function in proto.functions):
            ours = [(f.domain, f.name) for f in proto.functions if f.domain in DOMAINS]
            proto = onnx.inliner.inline_selected_functions(proto, ours, exclude=True)
        _check_numbers(proto, path.name)
        _check_text(proto)
        model = name_nodes(from_proto(infer_shapes(proto)))
        ir.to_proto(model)  # what can't be written again is damage too
    return model


def save(model: ir.Model, path: str | Path, inline: bool = False) -> None:
    """Write a model as one ONNX file that any ONNX runtime can run.

    Args:
        model: The model; gets its functions attached.
        path: Where to; written to a temporary file beside it first and renamed.
        inline: Replace the nodes of domain ``niwaki`` by their bodies, and leave QONNX's as nodes
            without bodies, for readers that know QONNX but no foreign functions (the ``qonnx``
            executor).

    Raises:
        InputError: The path can't be written; nothing is left behind.
        FormatError: The model breaks ONNX's rules, or a tensor has no static shape.
    """
    write_bytes(path, to_proto(model, inline=inline).SerializeToString())


def to_proto(model: ir.Model, inline: bool = False) -> onnx.ModelProto:
    """Return the model as the protocol buffer that `save` writes: checked, shapes inferred.

    Raises:
        FormatError: The model breaks ONNX's rules, or a tensor has no static shape.
    """
    attach_functions(name_nodes(model))
    model.ir_version = IR_VERSION
    proto = ir.to_proto(model)
    _strip_to_ir8(proto)
    if inline:
        ours = [(f.domain, f.name) for f in proto.functions if f.domain == NIWAKI]
        proto = onnx.inliner.inline_selected_functions(proto, ours)
        proto = ir.to_proto(name_nodes(ir.from_proto(proto)))
    proto = infer_shapes(proto)
    _check_shapes(proto)
    _check(proto, "save")
    if inline:
        # Bodies were needed to infer shapes; a reader that knows QONNX brings its own.
        bodies = [f for f in proto.functions if f.domain != QONNX]
        del proto.functions[:]
        proto.functions.extend(bodies)
    return proto


def from_proto(proto: onnx.ModelProto) -> ir.Model:
    """Return a checked protocol buffer (from `to_proto`) as a model in memory."""
    return ir.from_proto(proto)


def infer_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with a type and shape for every value, and the batch dimension called ``N``.

    Raises:
        FormatError: Shapes or types contradict each other.
    """
    proto = settle_ceil_mode(proto)
    with refusing("infer_shapes", "types and shapes must agree"):
        proto = onnx.shape_inference.infer_shapes(
            proto, check_type=True, strict_mode=True, data_prop=True
        )
    symbols = {
        info.type.tensor_type.shape.dim[0].dim_param
        for info in proto.graph.input
        if info.type.tensor_type.shape.dim
    } - {""}
    for info in _value_infos(proto):
        shape = info.type.tensor_type.shape
        # A batch that went through a Reshape comes back under a made-up name.
        if symbols and shape.dim and not shape.dim[0].HasField("dim_value"):
            shape.dim[0].dim_param = BATCH
    return proto


def name_nodes(
    model: ir.Model, first: Callable[[ir.Node], bool] = lambda node: bool(node.name)
) -> ir.Model:
    """Name every node: nameless ones get their op's name, repeated ones ``.2``, ``.3``.

    Args:
        model: The model, changed in place.
        first: Which nodes choose their name before the others do.
    """
    nodes = list(model.graph.all_nodes())
    taken: set[str] = set()
    for node in sorted(nodes, key=lambda node: not first(node)):  # stable
        base = node.name or node.op_type.lower()
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}.{count}"
        taken.add(name)
        node.name = name
    return model


def _read(path: Path) -> onnx.ModelProto:
    try:
        proto = onnx.load(path)
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise FormatError(
            f"load {path.name}",
            f"the file must be ONNX, whole: {first_line(error)}",
            got=str(path),
        ) from error
    if not proto.ir_version or not proto.graph.node or not proto.graph.output:
        raise FormatError(
            f"load {path.name}",
            "the file must be an ONNX model with nodes and outputs",
            got=str(path),
        )
    return proto


def _check(proto: onnx.ModelProto, where: str) -> None:
    with refusing(where, "the model must follow ONNX's rules"):
        onnx.checker.check_model(proto)


def _check_numbers(proto: onnx.ModelProto, where: str) -> None:
    """Read every weight once: its bytes must fill its shape; all numbers must be finite."""
    for tensor in _weights(proto):
        if tensor.data_type == onnx.TensorProto.STRING:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype.kind != "f":
            continue
        bad = int(values.size - np.count_nonzero(np.isfinite(values)))
        if bad:
            raise ValueDomainError(
                f"load {where}",
                f"tensor {tensor.name!r} must hold finite numbers",
                got=f"{bad} NaN or infinite values",
            )
    for node in (*proto.graph.node, *(n for f in proto.functions for n in f.node)):
        for attribute in node.attribute:
            if not np.isfinite([attribute.f, *attribute.floats]).all():
                raise ValueDomainError(
                    f"load {where}",
                    f"{node.op_type} (node {node.name!r}) must have a finite {attribute.name}",
                    got="NaN or infinity",
                )


def _check_text(proto: onnx.ModelProto) -> None:
    """Read every attribute that is text; a UnicodeDecodeError says which isn't."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            for text in (attribute.s, *attribute.strings):
                text.decode()


def _weights(proto: onnx.ModelProto) -> Iterable[onnx.TensorProto]:
    yield from proto.graph.initializer
    for node in proto.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    attribute.t.name = attribute.t.name or node.output[0]
                    yield attribute.t


def _check_shapes(proto: onnx.ModelProto) -> None:
    known = {info.name: info for info in _value_infos(proto)}
    for node in proto.graph.node:
        for name in node.output:
            if not name:
                continue
            kind = known[name].type.tensor_type if name in known else None
            if (
                kind is None
                or not kind.HasField("shape")
                or any(not dim.HasField("dim_value") for dim in kind.shape.dim[1:])
            ):
                raise FormatError(
                    f"node {node.name}",
                    f"value {name!r} must have a static shape, batch aside",
                    got="none" if kind is None else _show(kind.shape),
                    fix="Fix height and width when exporting",
                )


def _show(shape: onnx.TensorShapeProto) -> str:
    return str(
        [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in shape.dim]
    )


def _value_infos(proto: onnx.ModelProto) -> Iterable[onnx.ValueInfoProto]:
    yield from proto.graph.input
    yield from proto.graph.value_info
    yield from proto.graph.output


def _strip_to_ir8(proto: onnx.ModelProto) -> None:
    """Remove what came after IR 8: metadata below the model, and value infos of functions."""
    graph = proto.graph
    for item in (graph, *graph.node, *_value_infos(proto), *graph.initializer, *proto.functions):
        del item.metadata_props[:]
    for function in proto.functions:
        del function.value_info[:]
        for node in function.node:
            del node.metadata_props[:]
