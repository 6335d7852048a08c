"""The node that is blamed is the one that the engine lacks, not one that reads what it makes."""

from __future__ import annotations

import onnx.parser
import pytest

from niwaki import graph
from niwaki.errors import UnsupportedOpError
from niwaki.graph.layers import layers

FOREIGN = """
<ir_version: 8, opset_import: ["" : 18, "com.microsoft" : 1]>
net (float[N, 3, 4, 4] x) => (float[N, 3, 4, 4] y)
<float s = {0.5}, uint8 z = {0}>
{
  q = QuantizeLinear(x, s, z)
  [add] a = com.microsoft.QLinearAdd(q, s, z, q, s, z, s, z)
  [out] y = DequantizeLinear(a, s, z)
}
"""
DYNAMIC = """
<ir_version: 8, opset_import: ["" : 18]>
net (float[N, 8] x) => (float[N, 4] y)
<int8[8, 4] w = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
 1, 1, 1, 1}, float s = {0.5}>
{
  [quantise] q, t, z = DynamicQuantizeLinear(x)
  i = MatMulInteger(q, w, z)
  f = Cast<to = 1>(i)
  [scale] both = Mul(t, s)
  y = Mul(f, both)
}
"""

INTEGERS = """
<ir_version: 8, opset_import: ["" : 18]>
net (float[N, 2] x) => (float[N, 2] y)
<int8[2, 2] w = {1, 2, 3, 4}, float s = {0.5}, uint8 z = {3}>
{
  q = QuantizeLinear(x, s, z)
  [product] i = MatMulInteger(q, w, z)
  f = Cast<to = 1>(i)
  y = Mul(f, s)
}
"""
DILATED = """
<ir_version: 8, opset_import: ["" : 21]>
net (float[N, 2, 8, 8] x) => (float[N, 2, 6, 6] y)
{ [pool] y = AveragePool<kernel_shape = [2, 2], dilations = [2, 2]>(x) }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FOREIGN, r"com.microsoft::QLinearAdd \(node 'add'\).* lacks layers for com.microsoft::QL"),
        (DYNAMIC, r"DynamicQuantizeLinear \(node 'quantise'\).* lacks layers for .*Dynamic"),
        (DYNAMIC, r"depends on the other images of a batch\. Quantise .* in QDQ form"),
        (FOREIGN, r"lacks layers for com.microsoft::QLinearAdd\. Quantise .* in QDQ form"),
        (INTEGERS, r"MatMulInteger \(node 'product'\) needs niwaki's Requantize .* in QDQ form"),
        (DILATED, r"AveragePool \(node 'pool'\) .* dilations .* Write it as a depthwise Conv"),
    ],
)
def test_the_op_that_is_lacking_is_named(text, said):
    with pytest.raises(UnsupportedOpError, match=said):
        layers(graph.from_proto(onnx.parser.parse_model(text)))
