"""Weights that others trained: what a file must be, and dequantising by hand."""

import json

import numpy as np
import pytest

from niwaki import models
from niwaki.errors import FormatError, InputError, RegistryError, ShapeError

KERAS = "mobilenet_v1_0.25_224_imagenet.npz"
UINT8 = "mobilenet_v1_0.5_160_uint8_imagenet.npz"


def keras_arrays():
    """Make arrays as Keras' file has them; batch norm of channel c of every layer is c."""
    model = models.create("mobilenet-v1-0.25-same", 1000, seed=0)
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    arrays = {}
    ours = ["stem"] + [f"pairs.{i}.{k}" for i in range(13) for k in ("depthwise", "pointwise")]
    keys = ["conv1"] + [f"conv_{k}_{i}" for i in range(1, 14) for k in ("dw", "pw")]
    parts = {"weight": "gamma", "bias": "beta"}
    parts |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    for name, key in zip(ours, keys, strict=True):
        kernel = "depthwise_kernel" if "_dw_" in key else "kernel"
        arrays[f"{key}.{kernel}"] = state[f"{name}.0.weight"]
        arrays |= {f"{key}_bn.{b}": state[f"{name}.1.{a}"] for a, b in parts.items()}
    arrays["conv_preds.kernel"] = state["fc.weight"][:, :, None, None]
    arrays["conv_preds.bias"] = state["fc.bias"]
    return state, arrays


def test_keras_layers_find_their_places(tmp_path):
    state, arrays = keras_arrays()
    np.savez(tmp_path / KERAS, **arrays)
    trained = models.load_trained("mobilenet-v1-0.25-keras", tmp_path)
    for key, value in trained.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key])
    assert not trained.model.training
    assert trained.first_class == 0
    assert trained.preprocess["size"] == [224, 224]


def uint8_arrays():
    model = models.create("mobilenet-v1-0.5-same", seed=0)
    rng = np.random.default_rng(0)
    arrays, ops = {}, []
    state = model.state_dict()
    weights = [key for key in state if key.endswith((".0.weight", "fc.weight"))]
    for i, key in enumerate(weights):
        shape = tuple(state[key].shape)
        shape = (*shape, 1, 1) if len(shape) == 2 else shape
        arrays[f"conv{i:02}.w"] = rng.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"conv{i:02}.b"] = rng.integers(-9, 9, shape[0], dtype=np.int32)
        ops.append({"param": f"conv{i:02}", "w_scale": 0.5, "w_zp": 128, "b_scale": 0.25})
    arrays["graph"] = np.array([json.dumps({"ops": [*ops, {"op": "SOFTMAX"}]})])
    return arrays


def test_uint8_layers_are_dequantised(tmp_path):
    arrays = uint8_arrays()
    np.savez(tmp_path / UINT8, **arrays)
    trained = models.load_trained("mobilenet-v1-0.5-uint8", tmp_path)
    state = trained.model.state_dict()
    stem = (arrays["conv00.w"].astype(np.float32) - 128) / 2
    np.testing.assert_array_equal(state["stem.0.weight"].numpy(), stem)
    np.testing.assert_array_equal(state["stem.1.bias"].numpy(), arrays["conv00.b"] / 4)
    np.testing.assert_array_equal(state["fc.bias"].numpy(), arrays["conv27.b"] / 4)
    # Batch norm divides by sqrt(variance + eps), which must be 1.
    np.testing.assert_allclose(state["stem.1.running_var"].numpy() + 1e-3, 1, rtol=1e-6)
    assert trained.first_class == 1


def damaged(tmp_path, change):
    arrays = uint8_arrays()
    change(arrays)
    np.savez(tmp_path / UINT8, **arrays)
    return models.load_trained("mobilenet-v1-0.5-uint8", tmp_path)


def fewer_layers(arrays):
    graph = json.loads(str(arrays["graph"][0]))
    arrays["graph"] = np.array([json.dumps({"ops": graph["ops"][3:]})])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda arrays: arrays.pop("graph"), "must hold this network's arrays"),
        (lambda arrays: arrays.pop("conv03.b"), "must hold this network's arrays"),
        (lambda arrays: arrays.update(graph=np.array(["{"])), "must hold this network's arrays"),
        (fewer_layers, "must have 28 layers, got 25"),
    ],
)
def test_files_that_miss_something_are_refused(tmp_path, change, match):
    with pytest.raises(FormatError, match=match):
        damaged(tmp_path, change)


def test_a_layer_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=r"'stem\.0\.weight' must have shape \(16, 3, 3, 3\)"):
        damaged(tmp_path, lambda a: a.update({"conv00.w": np.zeros((16, 3, 5, 5), np.uint8)}))


def test_a_missing_file_and_an_unset_folder(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="must be a file that exists"):
        models.load_trained("mobilenet-v2-uint8", tmp_path)
    monkeypatch.delenv("NIWAKI_DATA", raising=False)
    with pytest.raises(InputError, match="NIWAKI_DATA be set"):
        models.load_trained("mobilenet-v2-uint8")
    with pytest.raises(RegistryError, match="mobilenet-v2-uint8"):
        models.load_trained("vgg99")
