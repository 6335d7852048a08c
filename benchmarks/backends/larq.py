"""Larq Compute Engine, one thread, as its Python interpreter comes; it makes its own networks.

`path` names what to make, random weights: `bi-real-18`, the topology of larq-zoo's BiRealNet from
larq's layers (7x7/2 stem, 16 units of sign, 3x3 convolution, batch norm and shortcut, shortcuts of
an average pool and a real 1x1 convolution, no ReLU; 224x224, 1000 logits), or `layer-CHANNELS-SIDE`
for one 3x3 convolution. Borders count as +1: that spares the engine a correction. On x86 its
default runs a slow path; larq_indirect.py is the setting that doesn't.
"""

import os
from importlib.metadata import version
from pathlib import Path

import numpy as np

os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

DEFAULTS: dict[str, bool] = {}


def prepare(path, folder, threads):
    name = Path(path).stem
    target = Path(folder, f"{name}.tflite")
    if not target.exists():
        import larq_compute_engine

        kind, *sizes = name.rsplit("-", 2)
        model = _layer(*map(int, sizes)) if kind == "layer" else _bi_real_18()
        part = target.with_suffix(".part")
        part.write_bytes(larq_compute_engine.convert_keras_model(model))
        part.replace(target)
    return str(target)


def load(path, threads, batch, options=DEFAULTS):
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    engine = Interpreter(Path(path).read_bytes(), num_threads=threads, **options)
    channels_last = {}

    def run(x):
        # Once for each input: another layout is no part of what it takes.
        if id(x) not in channels_last:
            channels_last.clear()
            channels_last[id(x)] = x, np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        return engine.predict(channels_last[id(x)][1])

    return run, version("larq-compute-engine")


def _layer(channels, side):
    import tf_keras as keras

    image = keras.layers.Input((side, side, channels))
    return keras.Model(image, _convolution(channels)(image))


def _convolution(filters, stride=1):
    import larq

    return larq.layers.QuantConv2D(
        filters,
        3,
        strides=stride,
        padding="same",
        pad_values=1.0,
        input_quantizer="approx_sign",
        kernel_quantizer="magnitude_aware_sign",
        kernel_constraint="weight_clip",
        use_bias=False,
    )


def _bi_real_18():
    import tf_keras as keras

    layers = keras.layers
    keras.utils.set_random_seed(0)

    def unit(x, filters):
        shortcut, stride = x, 1
        if filters != x.shape[-1]:
            stride = 2
            shortcut = layers.Conv2D(filters, 1, use_bias=False)(layers.AvgPool2D(2, 2)(x))
            shortcut = layers.BatchNormalization()(shortcut)
        x = layers.BatchNormalization()(_convolution(filters, stride)(x))
        return layers.add([x, shortcut])

    image = layers.Input((224, 224, 3))
    x = layers.Conv2D(64, 7, strides=2, padding="same", use_bias=False)(image)
    x = layers.MaxPool2D(3, 2, padding="same")(layers.BatchNormalization()(x))
    for filters in (64, 128, 256, 512):
        for _ in range(4):
            x = unit(x, filters)
    return keras.Model(image, layers.Dense(1000)(layers.GlobalAvgPool2D()(x)))
