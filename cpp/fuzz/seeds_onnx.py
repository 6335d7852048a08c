"""Small ONNX models to mutate: the onnx package's node tests, and networks of some layers."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST = 6000
"""Bytes of a seed."""


def make_seeds() -> list[bytes]:
    """Return the models as bytes, networks first, in a fixed order."""
    networks = [network(), residual(), quantized(), reshaped()]
    return networks * 400 + node_models()


def node_models() -> list[bytes]:
    """Return the models of the onnx package's node tests, float ones of moderate size."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    found = []
    for case in cases:
        if case.model is None or case.model.functions:
            continue
        data = case.model.SerializeToString()
        if len(data) <= LARGEST:
            found.append(data)
    return found


def _weights(**shapes: tuple[int, ...]) -> list[onnx.TensorProto]:
    rng = np.random.default_rng(0)
    made = []
    for name, shape in shapes.items():
        array = rng.normal(size=shape).astype(np.float32)
        array[rng.random(shape) < 0.5] = 0
        made.append(numpy_helper.from_array(array if len(shape) > 1 else abs(array) + 0.1, name))
    return made


def _model(
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    shape: tuple[int, ...],
    output: tuple[int, ...],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "seed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *output])],
        weights,
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()


def network() -> bytes:
    """Return a classifier: convolutions, batch norm, pools, a linear layer."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "a"], ["1"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["1", "s", "b", "m", "v"], ["2"]),
        node("Relu", ["2"], ["3"]),
        node("MaxPool", ["3"], ["4"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["4", "c"], ["5"], group=2, strides=[2, 2], dilations=[2, 2]),
        node("Clip", ["5", "lo", "hi"], ["6"]),
        node("GlobalAveragePool", ["6"], ["7"]),
        node("Flatten", ["7"], ["8"]),
        node("Gemm", ["8", "f", "g"], ["9"], transB=1),
        node("Softmax", ["9"], ["y"]),
    ]
    weights = _weights(a=(4, 3, 3, 3), s=(4,), b=(4,), m=(4,), v=(4,), c=(4, 2, 2, 2))
    weights += _weights(f=(5, 4), g=(5,))
    weights += [numpy_helper.from_array(np.float32(v), n) for n, v in (("lo", 0), ("hi", 6))]
    return _model(nodes, weights, (3, 10, 10), (5,))


def residual() -> bytes:
    """Return branches that meet: add, concat, mul, a transposed convolution."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "a"], ["1"], pads=[1, 1, 1, 1]),
        node("Add", ["1", "x"], ["2"]),
        node("Sigmoid", ["2"], ["3"]),
        node("Mul", ["2", "3"], ["4"]),
        node("Concat", ["4", "x"], ["5"], axis=1),
        node("AveragePool", ["5"], ["6"], kernel_shape=[3, 3], ceil_mode=1, strides=[2, 2]),
        node("ConvTranspose", ["6", "t"], ["7"], strides=[2, 2]),
        node("PRelu", ["7", "p"], ["y"]),
    ]
    return _model(
        nodes, _weights(a=(3, 3, 3, 3), t=(6, 2, 3, 3), p=(2, 1, 1)), (3, 7, 7), (2, 7, 7)
    )


def quantized() -> bytes:
    """Return a network of 8 bits as quantisers write it."""
    node = helper.make_node
    rng = np.random.default_rng(1)
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["1"]),
        node("DequantizeLinear", ["1", "s", "z"], ["2"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["3"], axis=0),
        node("Conv", ["2", "3"], ["4"], pads=[1, 1, 1, 1]),
        node("Relu", ["4"], ["5"]),
        node("QuantizeLinear", ["5", "s", "z"], ["6"]),
        node("DequantizeLinear", ["6", "s", "z"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.float32(0.05), "s"),
        numpy_helper.from_array(np.uint8(128), "z"),
        numpy_helper.from_array(rng.integers(-128, 127, (4, 3, 3, 3)).astype(np.int8), "w"),
        numpy_helper.from_array(np.full(4, 0.01, np.float32), "ws"),
        numpy_helper.from_array(np.zeros(4, np.int8), "wz"),
    ]
    return _model(nodes, weights, (3, 6, 6), (4, 6, 6))


def reshaped() -> bytes:
    """Return what moves data about: reshape, transpose, slice, pad, resize, reduce, matmul."""
    node = helper.make_node
    constants = {"shape": [0, 2, 32], "starts": [1], "ends": [3], "axes": [2], "mean": [2]}
    nodes = [
        node("Resize", ["x", "", "scales"], ["1"], mode="nearest"),
        node("Slice", ["1", "starts", "ends", "axes"], ["2"]),
        node("Pad", ["2", "pads"], ["3"]),
        node("Reshape", ["3", "shape"], ["4"]),
        node("Transpose", ["4"], ["5"], perm=[0, 2, 1]),
        node("MatMul", ["5", "w"], ["6"]),
        node("ReduceMean", ["6", "mean"], ["7"], keepdims=0),
        node("Split", ["7"], ["8", "9"], axis=1, num_outputs=2),
        node("Sub", ["8", "9"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in constants.items()]
    weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    pads = np.array([0, 0, 1, 0, 0, 0, 1, 0], np.int64)
    weights.append(numpy_helper.from_array(pads, "pads"))
    return _model(nodes, [*weights, *_weights(w=(2, 5))], (2, 4, 4), (16,))
