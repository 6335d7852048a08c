"""Small networks with the building blocks of known ones, as ONNX files of any opset.

Written as exporters write them: shape arithmetic with an open batch, activations spelled out,
attributes that became inputs, in the form that each opset knows.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 16


class Net:
    """Build a graph node by node; values are names."""

    def __init__(self, opset, seed=0):
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.channels = [], [], {"x": 3}

    def op(self, kind, *inputs, channels=None, **attributes):
        """Add a node and return its output."""
        output = f"v{len(self.nodes)}"
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        known = next((self.channels[i] for i in inputs if i in self.channels), None)
        self.channels[output] = channels or known
        return output

    def const(self, array, dtype=np.float32):
        """Add a constant and return its name."""
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def ints(self, *numbers):
        return self.const(numbers, np.int64)

    def random(self, *shape, scale=1.0):
        return self.const(self.rng.normal(size=shape) * scale)

    # Layers.
    def conv(self, x, outputs, kernel=1, stride=1, group=1, pads=None, bias=True, **more):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        inputs = self.channels[x]
        fan = inputs // group * kernel[0] * kernel[1]
        weight = self.random(outputs, inputs // group, *kernel, scale=fan**-0.5)
        pads = pads or [(k - 1) // 2 for k in kernel] * 2
        more = {"strides": [stride] * 2, "pads": pads, "group": group, **more}
        if "auto_pad" in more:
            del more["pads"]
        extra = [self.random(outputs, scale=0.1)] if bias else []
        return self.op("Conv", x, weight, *extra, channels=outputs, **more)

    def norm(self, x):
        count = self.channels[x]
        gain, shift = self.random(count), self.random(count)
        mean, variance = self.random(count), self.const(self.rng.uniform(0.5, 2, count))
        return self.op("BatchNormalization", x, gain, shift, mean, variance, epsilon=1e-3)

    def clip(self, x, low, high):
        return self.op("Clip", x, self.const(low), self.const(high))

    def mean(self, x, *axes, keepdims=1):
        if self.opset >= 18:
            return self.op("ReduceMean", x, self.ints(*axes), keepdims=keepdims)
        return self.op("ReduceMean", x, axes=list(axes), keepdims=keepdims)

    def squeeze(self, kind, x, *axes):
        if self.opset >= 13:
            return self.op(kind, x, self.ints(*axes))
        return self.op(kind, x, axes=list(axes))

    def split(self, x, *sizes):
        """Split channels in parts; return all their names."""
        first = self.op("Split", x, channels=sizes[0], axis=1)
        node = self.nodes[-1]
        if self.opset >= 13:
            node.input.append(self.ints(*sizes))
        else:
            node.attribute.append(helper.make_attribute("split", list(sizes)))
        names = [first, *(f"{first}.{i}" for i in range(1, len(sizes)))]
        node.output.extend(names[1:])
        self.channels |= dict(zip(names, sizes, strict=True))
        return names

    def concat(self, *inputs):
        return self.op("Concat", *inputs, channels=sum(self.channels[i] for i in inputs), axis=1)

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def hard_swish(self, x, form):
        if form == "op" and self.opset >= 14:
            return self.op("HardSwish", x)
        if form == "hard_sigmoid":
            return self.op("Mul", x, self.op("HardSigmoid", x, alpha=1 / 6, beta=0.5))
        clipped = self.clip(self.op("Add", x, self.const(3.0)), 0.0, 6.0)
        if form == "gate first":
            return self.op("Mul", x, self.op("Div", clipped, self.const(6.0)))
        return self.op("Div", self.op("Mul", x, clipped), self.const(6.0))

    def gelu(self, x):
        half = self.op("Mul", x, self.const(0.5))
        erf = self.op("Erf", self.op("Div", x, self.const(2**0.5)))
        return self.op("Mul", half, self.op("Add", erf, self.const(1.0)))

    def gate(self, x, act, gate):
        """Squeeze and excite."""
        inner = self.conv(self.mean(x, 2, 3), 4)
        return self.op("Mul", x, gate(self.conv(act(inner), self.channels[x])))

    def shuffle(self, x, groups):
        """Shuffle channels, with sizes read from the value as torch's exporter writes them."""
        shape = self.op("Shape", x)

        def size(axis):
            index = self.const(axis, np.int64)
            return self.squeeze("Unsqueeze", self.op("Gather", shape, index, axis=0), 0)

        each = self.op("Div", size(1), self.ints(groups))
        parts = [size(0), self.ints(groups), each, size(2), size(3)]
        split = self.op("Reshape", x, self.op("Concat", *parts, axis=0))
        turned = self.op("Transpose", split, perm=[0, 2, 1, 3, 4])
        parts = [size(0), self.ints(-1), size(2), size(3)]
        joined = self.op("Reshape", turned, self.op("Concat", *parts, axis=0))
        self.channels[joined] = self.channels[x]
        return joined

    def flat(self, x):
        """Flatten as view(x.size(0), -1)."""
        batch = self.op("Gather", self.op("Shape", x), self.const(0, np.int64), axis=0)
        batch = self.squeeze("Unsqueeze", batch, 0)
        target = self.op("Concat", batch, self.ints(-1), axis=0)
        return self.op("Reshape", x, target)

    def classify(self, x, classes=5):
        pooled = self.op("GlobalAveragePool", x)
        weight = self.random(classes, self.channels[x], scale=0.3)
        return self.op("Gemm", self.flat(pooled), weight, self.random(classes), transB=1)

    def model(self, output):
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 5])],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        ir_version = min(helper.find_min_ir_version_for(opsets), 10) if self.opset > 11 else 6
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
        onnx.checker.check_model(model)
        return model


def efficientnet(net):
    x = net.silu(net.norm(net.conv("x", 8, 3, 2, bias=False)))
    wide = net.silu(net.norm(net.conv(x, 24, bias=False)))
    deep = net.silu(net.norm(net.conv(wide, 24, 5, group=24, bias=False)))
    gated = net.gate(deep, net.silu, lambda v: net.op("Sigmoid", v))
    y = net.op("Add", net.norm(net.conv(gated, 8, bias=False)), x)
    return net.classify(net.op("Dropout", y))


def mobilenet_v3(net):
    x = net.hard_swish(net.conv("x", 8, 3, 2), "op")
    x = net.hard_swish(net.conv(x, 12), "hard_sigmoid")
    x = net.hard_swish(net.conv(x, 12, 3, group=12), "gate first")
    gate = lambda v: net.op("HardSigmoid", v, alpha=1 / 6, beta=0.5)  # noqa: E731
    x = net.gate(x, lambda v: net.op("Relu", v), gate)
    x = net.hard_swish(net.conv(x, 12), "gate last")
    written = net.op("Add", net.conv(net.mean(x, 2, 3), 12), net.const(3.0))
    gate = net.op("Div", net.clip(written, 0.0, 6.0), net.const(6.0))
    return net.classify(net.op("Mul", x, gate))


def regnet(net):
    x = net.op("Relu", net.conv("x", 8, 3, 2))
    y = net.op("Relu", net.conv(x, 8))
    y = net.op("Relu", net.conv(y, 8, 3, group=4))
    y = net.gate(y, lambda v: net.op("Relu", v), lambda v: net.op("Sigmoid", v))
    return net.classify(net.op("Relu", net.op("Add", net.conv(y, 8), x)))


def densenet(net):
    x = net.op("MaxPool", net.conv("x", 8, 3), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for _ in range(2):
        y = net.op("Relu", net.norm(x))
        y = net.conv(net.op("Relu", net.norm(net.conv(y, 8, bias=False))), 4, 3, bias=False)
        x = net.concat(x, y)
    x = net.conv(net.op("Relu", net.norm(x)), 8, bias=False)
    x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return net.classify(net.op("Relu", net.norm(x)))


def shufflenet(net):
    x = net.op("Relu", net.conv("x", 8, 3, 2))
    left, right = net.split(x, 4, 4)
    right = net.conv(net.op("Relu", net.conv(right, 4)), 4, 3, group=4)
    x = net.shuffle(net.concat(left, right), 2)
    return net.classify(net.shuffle(x, 4))


def inception(net):
    x = net.op("Relu", net.conv("x", 6, 3, 2, pads=[0, 0, 0, 0]))
    a = net.op("Relu", net.conv(net.conv(x, 4, (1, 7)), 4, (7, 1)))
    b = net.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    c = net.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4)
    d = net.op("MaxPool", x, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[1, 1])
    joined = net.concat(a, net.conv(b, 4), c, d)
    padded = net.op("Pad", joined, net.ints(0, 0, 0, 1, 0, 0, 1, 0))
    net.channels[padded] = net.channels[joined]
    y = net.conv(padded, 6, 3, 2, pads=[0, 0, 0, 0], dilations=[2, 2])
    return net.classify(net.op("LeakyRelu", y, alpha=0.2))


def odds_and_ends(net):
    """Everything else that classifiers are made of now and then."""
    x = net.conv("x", 8, 3, auto_pad="SAME_LOWER", stride=2)
    x = net.op("PRelu", x, net.random(8, 1, 1))
    up = net.op("Resize", x, net.const([]), net.const([1.0, 1.0, 2.0, 2.0]), mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    net.channels[up] = 8
    weight = net.random(8, 4, 3, 3, scale=0.2)
    turned = net.op("ConvTranspose", x, weight, channels=4, strides=[2, 2], pads=[1] * 4,
                    output_padding=[1, 1])  # fmt: skip
    y = net.concat(net.gelu(net.conv(up, 4)), net.op("Elu", turned))
    y = net.op("Mul", y, net.op("Tanh", net.op("Softplus", y)))  # Mish
    y = net.op("Slice", y, net.ints(1, -1), net.ints(13, -100), net.ints(2, 3), net.ints(2, -1))
    blocks = net.op("SpaceToDepth", net.op("DepthToSpace", y, blocksize=2), blocksize=2)
    net.channels[blocks] = 8
    scaled = net.op("Div", net.op("Sub", blocks, net.random(1, 8, 1, 1)), net.const(2.0))
    mixed = net.op("Sqrt", net.op("Add", net.op("Abs", scaled), net.op("Exp", net.op("Neg", y))))
    top = net.op("GlobalMaxPool", net.op("Max", mixed, scaled))
    flat = net.squeeze("Squeeze", top, 2, 3)
    logits = net.op("Add", net.op("MatMul", flat, net.random(8, 5)), net.random(5))
    return net.op("Softmax", logits, axis=1)


NETS = {
    found.__name__: found
    for found in (
        efficientnet,
        mobilenet_v3,
        regnet,
        densenet,
        shufflenet,
        inception,
        odds_and_ends,
    )
}


def build(name, opset):
    """Return a network by name as a checked model of one opset, its batch open."""
    net = Net(opset)
    return net.model(NETS[name](net))
