"""An open batch's size is a shape, never a number to compute with."""

from __future__ import annotations

import onnx.parser
import pytest

from niwaki import graph
from niwaki.errors import UnsupportedOpError
from niwaki.graph.layers import layers

HEAD = '<ir_version: 8, opset_import: ["" : 18]> net (float[{n}, 3, 4, 4] x) => (float[{out}] y) '

NUMBERS = {
    "product of all sizes": "{ s = Shape(x) f = Cast<to=1>(s) p = ReduceProd<keepdims=0>(f)"
    " y = Mul(x, p) }",
    "batch": "{ s = Shape<start=0, end=1>(x) f = Cast<to=1>(s) y = Mul(x, f) }",
    "size": "{ s = Size(x) f = Cast<to=1>(s) y = Div(x, f) }",
    "batch, at most 16": "<float[1] most = {16.0}> { s = Shape<start=0, end=1>(x)"
    " f = Cast<to=1>(s) m = Min(f, most) y = Add(x, m) }",
    "channels up to the batch": "<int64[1] zero = {0}, int64[1] one = {1}>"
    " { s = Shape<start=0, end=1>(x) y = Slice(x, zero, s, one) }",
}

SHAPES = {
    "view": ("N, 48", "<int64[1] rest = {-1}> { s = Shape<start=0, end=1>(x)"
             " t = Concat<axis=0>(s, rest) y = Reshape(x, t) }"),
    "height as a number": ("N, 3, 4, 4", "{ s = Shape<start=2, end=3>(x) f = Cast<to=1>(s)"
                           " y = Mul(x, f) }"),
    "slice of all images": ("N, 3, 4, 4", "<int64[1] zero = {0}> { s = Shape<start=0, end=1>(x)"
                            " y = Slice(x, zero, s, zero) }"),
    "unused": ("N, 3, 4, 4", "{ s = Shape(x) f = Cast<to=1>(s) u = Mul(x, f) y = Relu(x) }"),
}  # fmt: skip


def parse(text, out="N, 3, 4, 4", n="N"):
    head = HEAD.format(n=n, out=out)
    return graph.from_proto(onnx.parser.parse_model(head + text))


@pytest.mark.parametrize("case", NUMBERS)
def test_computing_with_the_batch_is_refused(case):
    with pytest.raises(UnsupportedOpError, match="don't depend on the batch's size"):
        layers(parse(NUMBERS[case]))


def test_with_a_fixed_batch_it_is_a_number_like_any_other():
    (layer,) = layers(parse(NUMBERS["batch"], out="2, 3, 4, 4", n="2"))
    assert layer.arrays["b" if "b" in layer.arrays else "scale"].reshape(-1)[0] == 2


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_may_follow_the_batch(case):
    out, text = SHAPES[case]
    assert layers(parse(text, out=out))
