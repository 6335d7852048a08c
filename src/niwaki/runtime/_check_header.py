"""Check a program's header as if hostile: numbers in range, references to something there.

What an op asks of its inputs, attributes and tensors is checked by the C++ loader.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from niwaki.errors import FormatError, UnsupportedOpError
from niwaki.runtime.program import LAYOUTS, MAX_RANK, OPS, TENSOR_DTYPES, VALUE_DTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ELEMENTS = 2**31 - 1
"""Elements of one value or tensor: positions fit an int32."""
_KEYS = ("form", "name", "inputs", "outputs", "values", "tensors", "layers")
_LAYER_KEYS = {"op", "name", "inputs", "output", "attrs", "tensors"}


def check_header(where: str, header: Any) -> None:
    """Check a program's header.

    Args:
        where: The file's name, for messages.
        header: The program as parsed JSON, `tensors` included.

    Raises:
        FormatError: A number, a reference or a key isn't what it must be.
        UnsupportedOpError: A layer's op is unknown.
    """
    if not isinstance(header, dict):
        _fail(where, "the program must be an object", type(header).__name__)
    for key in _KEYS:
        if key not in header:
            _fail(where, f"the program must have a {key!r}", f"only {', '.join(map(str, header))}")
    if header["form"] not in ("float", "integer"):
        _fail(where, "form must be float or integer", repr(header["form"]))
    _check_types(where, header)
    for index, value in enumerate(header["values"]):
        _check_value(where, index, value)
    names = [value["name"] for value in header["values"]]
    if len(set(names)) != len(names):
        _fail(where, "values must have names of their own", "a name twice")
    for key, tensor in header["tensors"].items():
        _check_tensor(where, key, tensor)
    _check_layers(where, header)


def unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its pairs, refusing a key met twice (json's `object_pairs_hook`)."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is met twice in one object")
    return result


def _check_types(where: str, header: dict[str, Any]) -> None:
    kinds = {"name": str, "inputs": list, "outputs": list, "values": list, "tensors": dict}
    kinds |= {"layers": list, "preprocess": dict, "classes": list, "source": dict}
    for key, kind in kinds.items():
        if key in header and not isinstance(header[key], kind):
            _fail(where, f"{key} must be a {kind.__name__}", type(header[key]).__name__)


def _check_value(where: str, index: int, value: Any) -> None:
    place = f"value {index}"
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        _fail(where, f"{place} must be an object with a name", repr(value)[:60])
    if value.get("dtype") not in VALUE_DTYPES:
        _fail(where, f"{place}: dtype must be one of {_list(VALUE_DTYPES)}", value.get("dtype"))
    if value.get("layout") not in LAYOUTS:
        _fail(where, f"{place}: layout must be one of {_list(LAYOUTS)}", value.get("layout"))
    if (value["dtype"] == "u1") != (value["layout"] == "words"):
        _fail(where, f"{place}: u1 must go with words", f"{value['dtype']} in {value['layout']}")
    shape: Any = value.get("shape")
    if not _is_shape(shape, 1) or len(shape) > MAX_RANK:
        _fail(where, f"{place}: shape must be at most {MAX_RANK} positive numbers", shape)
    if value["layout"] == "words" and len(shape) not in (1, 3):
        _fail(where, f"{place}: the shape of words must be (C, H, W) or (C,)", shape)
    if math.prod(shape) > MAX_ELEMENTS:
        _fail(where, f"{place}: a value must have at most {MAX_ELEMENTS} elements", shape)


def _check_tensor(where: str, key: str, tensor: Any) -> None:
    if not isinstance(tensor, dict) or tensor.get("dtype") not in tuple(TENSOR_DTYPES):
        _fail(where, f"tensor {key!r}: dtype must be one of {_list(TENSOR_DTYPES)}", tensor)
    shape: Any = tensor.get("shape")
    if not _is_shape(shape, 0) or len(shape) > MAX_RANK or math.prod(shape) > MAX_ELEMENTS:
        _fail(
            where,
            f"tensor {key!r}: shape must be at most {MAX_RANK} sizes and {MAX_ELEMENTS} elements",
            shape,
        )


def _check_layers(where: str, header: dict[str, Any]) -> None:
    count = len(header["values"])
    produced: set[int] = set()
    _check_ids(where, "inputs", header["inputs"], count)
    if not header["inputs"] or not header["outputs"]:
        _fail(where, "a program must have an input and an output", header["inputs"])
    produced.update(header["inputs"])
    if len(produced) != len(header["inputs"]):
        _fail(where, "inputs must be values of their own", header["inputs"])
    for index, layer in enumerate(header["layers"]):
        if not isinstance(layer, dict) or set(layer) != _LAYER_KEYS:
            _fail(where, f"layer {index} must have exactly {_list(sorted(_LAYER_KEYS))}", layer)
        place = f"layer {index} ({layer['name']})"
        if layer["op"] not in OPS:
            raise UnsupportedOpError(
                where,
                f"{place}: the op must be one of {_list(OPS)}",
                got=repr(layer["op"]),
                fix="Update niwaki if the file is from a newer one",
            )
        if not all(isinstance(layer[key], dict) for key in ("inputs", "attrs", "tensors")):
            _fail(where, f"{place}: inputs, attrs and tensors must be objects", layer)
        used = _layer_inputs(layer)
        _check_ids(where, f"{place}: inputs", used, count)
        for value in used:
            if value not in produced:
                _fail(where, f"{place}: an input must be produced earlier", f"value {value}")
        output = layer["output"]
        _check_ids(where, f"{place}: output", [output], count)
        if output in produced:
            _fail(where, f"{place}: a value must be produced once", f"value {output} again")
        produced.add(output)
        for role, key in layer["tensors"].items():
            if not isinstance(key, str) or key not in header["tensors"]:
                _fail(where, f"{place}: {role} must name a tensor of the program", repr(key))
    _check_ids(where, "outputs", header["outputs"], count)
    for value in header["outputs"]:
        if value not in produced:
            _fail(where, "an output must be produced by a layer", f"value {value}")


def _layer_inputs(layer: dict[str, Any]) -> list[Any]:
    """Return the value ids a layer reads; concat holds a list."""
    used: list[Any] = []
    for value in layer["inputs"].values():
        used.extend(value if isinstance(value, list) else [value])
    return used


def _check_ids(where: str, place: str, ids: Sequence[Any], count: int) -> None:
    for value in ids:
        if type(value) is not int or not 0 <= value < count:
            _fail(where, f"{place} must be value ids below {count}", value)


def _is_shape(shape: Any, least: int) -> bool:
    return isinstance(shape, list) and all(
        type(size) is int and least <= size <= MAX_ELEMENTS for size in shape
    )


def _list(names: Any) -> str:
    return ", ".join(names)


def _fail(where: str, must: str, got: Any) -> NoReturn:
    text = str(got)
    raise FormatError(where, must, got=text if len(text) <= 120 else text[:117] + "...")
