"""From a picture to the input: by hand, against torch, and with hostile dicts."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from niwaki.errors import FormatError, InputError, ShapeError, ValueDomainError
from niwaki.preprocess import (
    apply_preprocess,
    check_preprocess,
    fit_image,
    make_preprocess,
    normalize,
    open_image,
)
from niwaki.train.data import normalize_tensor

GREY = make_preprocess((2, 2), [0.5], [0.25])
COLOUR = make_preprocess((4, 4), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def test_normalisation_by_hand():
    # (x / 255 - 0.5) / 0.25: 0 -> -2, 255 -> 2, 51 -> -1.2
    x = apply_preprocess(np.array([[0, 255], [51, 204]], np.uint8), GREY)
    assert x.shape == (1, 1, 2, 2)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.ravel(), [-2, 2, -1.2, 1.2], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_training_and_running_give_the_same_bits(dtype):
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(4, 3, 8, 8).astype(dtype)
    ours = normalize(images, COLOUR)
    torchs = normalize_tensor(torch.from_numpy(images), COLOUR).numpy()
    np.testing.assert_array_equal(ours.view(np.uint32), torchs.view(np.uint32))


def test_channels_are_in_front_and_in_order():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 1, 2, 3
    assert fit_image(image, COLOUR)[:, 0, 0].tolist() == [1, 2, 3]


def test_a_colour_photo_becomes_grey():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert fit_image(red, GREY).tolist() == [[[76, 76], [76, 76]]]  # 0.299 * 255


def test_a_grey_photo_becomes_colour():
    pixels = fit_image(np.full((4, 4), 9, np.uint8), COLOUR)
    assert pixels.shape == (3, 4, 4)
    assert (pixels == 9).all()


def test_the_centre_is_cut_out():
    wide = np.zeros((2, 6), np.uint8)
    wide[:, 2:4] = 200
    assert (fit_image(wide, GREY) == 200).all()


def test_a_large_photo_is_averaged_down():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    np.testing.assert_allclose(fit_image(noise, GREY), 127.5, atol=8)


def test_a_share_of_the_centre_is_kept():
    pixels = np.zeros((4, 4), np.uint8)
    pixels[1:3, 1:3] = 90
    assert (fit_image(pixels, make_preprocess((2, 2), [0.0], [1.0], crop=0.5)) == 90).all()


def test_a_share_of_a_rectangle_keeps_its_shape():
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert (fit_image(pixels, make_preprocess((4, 6), [0.0], [1.0]))[0] == pixels).all()
    tall = fit_image(pixels, make_preprocess((4, 2), [0.0], [1.0]))
    assert (tall[0] == pixels[:, 2:4]).all()


def test_stretching_keeps_all_of_the_picture():
    wide = np.zeros((2, 4), np.uint8)
    wide[:, 2:] = 200
    stretched = make_preprocess((2, 2), [0.0], [1.0], crop=None, interpolation="nearest")
    assert fit_image(wide, stretched).tolist() == [[[0, 200], [0, 200]]]


def test_transparent_parts_show_white_paper():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert (fit_image(image, GREY) == 255).all()


def test_sixteen_bits_keep_their_upper_half():
    image = Image.fromarray(np.array([[0, 65535], [32768, 256]], np.uint16))
    assert fit_image(image, GREY)[0].tolist() == [[0, 255], [128, 1]]


def test_a_photo_is_turned_upright():
    image = Image.fromarray(np.array([[10, 20], [10, 20]], np.uint8))
    image.getexif()[0x0112] = 3  # upside down
    assert fit_image(image, GREY)[0].tolist() == [[20, 10], [20, 10]]


@settings(max_examples=60, deadline=None)
@given(*(st.integers(1, 300),) * 2, *(st.integers(1, 40),) * 2, st.floats(0.01, 1))
def test_every_size_of_photo_fits(height, width, rows, columns, crop):
    preprocess = make_preprocess((rows, columns), [0.0], [1.0], crop=crop)
    pixels = fit_image(np.full((height, width), 7, np.uint8), preprocess)
    assert pixels.shape == (1, rows, columns)
    assert (pixels == 7).all()


def test_a_picture_of_the_right_size_is_not_touched():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_image(pixels, COLOUR), pixels.transpose(2, 0, 1))


def test_arrays_that_are_no_pictures():
    with pytest.raises(ShapeError, match=r"must be \(H, W\), .*, got \(1, 2, 4, 4\)"):
        fit_image(np.zeros((1, 2, 4, 4), np.uint8), GREY)
    with pytest.raises(ShapeError, match=r"got \(0, 3\)"):
        fit_image(np.zeros((0, 3), np.uint8), GREY)
    with pytest.raises(ValueDomainError, match="a picture must be uint8, got float64"):
        fit_image(np.zeros((4, 4)), GREY)


def test_networks_that_take_no_photos():
    normalised = make_preprocess((2, 2), [0.0], [1.0], photos=False)
    with pytest.raises(ValueDomainError, match="must take pictures, got 1 channels that came"):
        fit_image(np.zeros((2, 2), np.uint8), normalised)
    two = make_preprocess((2, 2), [0.0] * 2, [1.0] * 2)
    with pytest.raises(ValueDomainError, match="must take pictures, got 2 channels"):
        fit_image(np.zeros((2, 2), np.uint8), two)


def test_inputs_of_other_channels():
    with pytest.raises(ShapeError, match=r"must be \(N, 3, H, W\), got \(1, 1, 4, 4\)"):
        normalize(np.zeros((1, 1, 4, 4), np.uint8), COLOUR)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"channels": 0}, "channels must be an integer above 0, got 0"),
        ({"channels": True}, "channels must be an integer above 0, got True"),
        ({"size": [4]}, r"size must be \[height, width\]"),
        ({"size": [4, 0]}, r"size must be \[height, width\]"),
        ({"size": [4, 4.0]}, r"size must be \[height, width\]"),
        ({"crop": 0}, r"crop must be null or in \(0, 1\], got 0"),
        ({"crop": 1.5}, r"crop must be null or in \(0, 1\], got 1.5"),
        ({"interpolation": "magic"}, "interpolation must be one of nearest, .*, got 'magic'"),
        ({"mean": [0.5]}, "mean must hold 3 numbers"),
        ({"mean": [0.5, 0.5, float("nan")]}, "mean must hold 3 numbers"),
        ({"std": [0.5, 0.5, "x"]}, "std must hold 3 numbers"),
        ({"std": [0.5, 0.5, 0.0]}, "std must be above 0"),
        ({"scale": 0}, "scale must be above 0"),
        ({"scale": float("inf")}, "scale must be above 0"),
        ({"photos": 1}, "photos must be a boolean"),
        ({"resize": 4}, "the keys must be channels, "),
    ],
)
def test_a_dict_edited_by_hand_is_checked(change, match):
    with pytest.raises(ValueDomainError, match=match):
        check_preprocess({**COLOUR, **change})


def test_picture_files(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (3, 2), 9).save(path)
    assert open_image(path).size == (3, 2)
    assert open_image(path).getpixel((0, 0)) == 9
    with pytest.raises(InputError, match="must be a file that exists"):
        open_image(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"not a picture")
    with pytest.raises(FormatError, match=r"c\.png\] the file must be a picture"):
        open_image(tmp_path / "c.png")


def test_a_truncated_picture_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(FormatError, match=r"a\.jpg\] the picture must decode"):
        open_image(path)


def test_it_loads_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from niwaki.preprocess import apply_preprocess, make_preprocess\n"
        "apply_preprocess(np.zeros((5, 5), np.uint8), make_preprocess((2, 2), [0.], [1.]))\n"
        "assert 'torch' not in sys.modules and 'onnx' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_crop_without_scaling_keeps_pixels():
    # 5 wide, 3 kept: one pixel goes on either side. 6 wide: one and a half would blur, so two go.
    preprocess = make_preprocess((3, 3), [0.0], [1.0], crop=0.75)
    for width, first in ((5, 1), (6, 2)):
        pixels = np.arange(4 * width, dtype=np.uint8).reshape(4, width) * 9
        top = 0 if round(0.5) == 0 else 1
        want = pixels[top : top + 3, first : first + 3]
        np.testing.assert_array_equal(fit_image(pixels, preprocess)[0], want)
