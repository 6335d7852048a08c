"""From a picture to a network's input, without torch: stored in artifacts, used by `niwaki run`.

A preprocess is a plain dict, so that JSON holds it:

=================  ===========================================================================
``channels``       1 (grey) or 3 (RGB); other counts hold no photos
``size``           [height, width] in pixels
``crop``           share in (0, 1] that is kept of the largest centred part with the shape of
                   ``size``, e.g. 0.875 for 224 of 256; null: all is kept, and stretched
``interpolation``  "nearest", "bilinear", "bicubic" or "lanczos"
``scale``          what a raw value is multiplied by first: 1 / 255 for pictures
``mean``, ``std``  one per channel, in units after ``scale``
``photos``         false where the training data came normalised by a rule that isn't known here
=================  ===========================================================================

The input is ``raw * (scale / std) - mean / std``, both factors rounded to float32 once. Training
applies the same two float32 operations, so a network sees the same bits in both.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError, InputError, ShapeError, ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    Preprocess = Mapping[str, Any]

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_KEYS = frozenset(("channels", "size", "crop", "interpolation", "scale", "mean", "std", "photos"))


def make_preprocess(
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
    *,
    crop: float | None = 1.0,
    interpolation: str = "bilinear",
    scale: float = 1 / 255,
    photos: bool = True,
) -> dict[str, Any]:
    """Return a checked preprocess.

    Args:
        size: Height and width, pixels.
        mean: One per channel, in units after `scale`.
        std: One per channel, above 0.
        crop: Share that is kept of the largest centred part with the shape of `size`; None keeps
            all, and stretches it.
        interpolation: How pixels are resampled.
        scale: Factor for raw values.
        photos: Whether pictures can be brought to the network's input.

    Raises:
        ValueDomainError: As `check_preprocess`.

    Example:
        >>> make_preprocess((28, 28), [0.1307], [0.3081])["channels"]
        1
    """
    preprocess: dict[str, Any] = {
        "channels": len(mean),
        "size": [int(size[0]), int(size[1])],
        "crop": None if crop is None else float(crop),
        "interpolation": interpolation,
        "scale": float(scale),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "photos": photos,
    }
    check_preprocess(preprocess)
    return preprocess


def check_preprocess(preprocess: Preprocess) -> None:
    """Refuse a preprocess that isn't one: files are edited by hand.

    Raises:
        ValueDomainError: A key is missing or unknown, or a value outside its domain.
    """
    where = "preprocess"
    if set(preprocess) != _KEYS:
        raise ValueDomainError(
            where, f"the keys must be {', '.join(sorted(_KEYS))}", got=sorted(preprocess)
        )
    channels, size, crop = (preprocess[key] for key in ("channels", "size", "crop"))
    if not _is_count(channels):
        raise ValueDomainError(where, "channels must be an integer above 0", got=repr(channels))
    if not (isinstance(size, list) and len(size) == 2 and all(_is_count(side) for side in size)):
        raise ValueDomainError(where, "size must be [height, width], above 0", got=repr(size))
    if crop is not None and not (_is_number(crop) and 0 < crop <= 1):
        raise ValueDomainError(where, "crop must be null or in (0, 1]", got=repr(crop))
    if preprocess["interpolation"] not in _INTERPOLATIONS:
        raise ValueDomainError(
            where,
            f"interpolation must be one of {', '.join(_INTERPOLATIONS)}",
            got=repr(preprocess["interpolation"]),
        )
    for key in ("mean", "std"):
        values = preprocess[key]
        if not (isinstance(values, list) and len(values) == channels) or not all(
            _is_number(value) for value in values
        ):
            raise ValueDomainError(where, f"{key} must hold {channels} numbers", got=repr(values))
    if min(preprocess["std"]) <= 0:
        raise ValueDomainError(where, "std must be above 0", got=preprocess["std"])
    if not (_is_number(preprocess["scale"]) and preprocess["scale"] > 0):
        raise ValueDomainError(where, "scale must be above 0", got=repr(preprocess["scale"]))
    if not isinstance(preprocess["photos"], bool):
        raise ValueDomainError(where, "photos must be a boolean", got=repr(preprocess["photos"]))


def gain_and_offset(preprocess: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what raw values are multiplied by, and what is added then: float32 (C,) each.

    Example:
        >>> gain_and_offset(make_preprocess((1, 1), [0.5], [0.5]))[1]
        array([-1.], dtype=float32)
    """
    mean = np.asarray(preprocess["mean"], np.float64)
    std = np.asarray(preprocess["std"], np.float64)
    gain = (float(preprocess["scale"]) / std).astype(np.float32)
    return gain, (-mean / std).astype(np.float32)


def normalize(images: NDArray[Any], preprocess: Preprocess) -> NDArray[np.float32]:
    """Return a network's input for raw pictures.

    Args:
        images: uint8 or float32 (N, C, H, W), raw values.
        preprocess: The dict above.

    Returns:
        float32 (N, C, H, W).

    Raises:
        ShapeError: `images` is no (N, C, H, W) with C as in the preprocess.

    Example:
        >>> white = np.full((1, 1, 1, 1), 255, np.uint8)
        >>> normalize(white, make_preprocess((1, 1), [0.5], [0.5])).item()
        1.0
    """
    channels = preprocess["channels"]
    if images.ndim != 4 or images.shape[1] != channels:
        raise ShapeError("normalize", f"images must be (N, {channels}, H, W)", got=images.shape)
    gain, offset = gain_and_offset(preprocess)
    return images.astype(np.float32) * gain[:, None, None] + offset[:, None, None]


def apply_preprocess(
    image: Picture | NDArray[np.uint8], preprocess: Preprocess
) -> NDArray[np.float32]:
    """Return a network's input for one picture of any size.

    Args:
        image: A Pillow image, or uint8 (H, W), (H, W, 1) or (H, W, 3).
        preprocess: The dict above.

    Returns:
        float32 (1, C, H, W).

    Raises:
        ShapeError, ValueDomainError: As `fit_image`.
    """
    return normalize(fit_image(image, preprocess)[None], preprocess)


def fit_image(image: Picture | NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Bring one picture to the network's channels and size.

    It is turned upright by its EXIF note, made grey or RGB, cut, and resized.

    Args:
        image: A Pillow image, or uint8 (H, W), (H, W, 1) or (H, W, 3).
        preprocess: The dict above.

    Returns:
        uint8 (C, H, W).

    Raises:
        ShapeError: An array of another shape.   ValueDomainError: An array of another type, or a
            network that takes no photos.
    """
    from PIL import Image, ImageOps

    if not preprocess["photos"] or preprocess["channels"] not in (1, 3):
        raise ValueDomainError(
            "preprocess",
            "the network must take pictures",
            got=f"{preprocess['channels']} channels that came already normalised"
            if not preprocess["photos"]
            else f"{preprocess['channels']} channels",
            fix="Normalise as its training data was, and give arrays of its input shape",
        )
    picture = Image.fromarray(_as_pixels(image)) if isinstance(image, np.ndarray) else image
    picture = ImageOps.exif_transpose(picture)
    picture = _to_mode(picture, "L" if preprocess["channels"] == 1 else "RGB")
    height, width = preprocess["size"]
    picture = _resize(picture, (height, width), preprocess["crop"], preprocess["interpolation"])
    pixels = np.asarray(picture)
    # A copy: Pillow's own memory is read-only.
    return np.array(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), order="C")


def open_image(path: str | Path) -> Picture:
    """Open and decode a picture file.

    Raises:
        InputError: The file is missing.   FormatError: It is no picture, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        raise InputError("picture", "the picture must be a file that exists", got=str(path))
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except UnidentifiedImageError as error:
        raise FormatError(f"picture {path}", "the file must be a picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"picture {path}", "the picture must decode", got=f"an error: {error}"
        ) from error


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as_pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3), what Pillow takes."""
    if image.dtype != np.uint8:
        raise ValueDomainError("preprocess", "a picture must be uint8", got=image.dtype)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or image.size == 0:
        raise ShapeError(
            "preprocess", "a picture must be (H, W), (H, W, 1) or (H, W, 3)", got=image.shape
        )
    return image


def _to_mode(picture: Picture, mode: str) -> Picture:
    """Make a picture grey or RGB; transparent parts show white, as paper does."""
    from PIL import Image

    if picture.mode.startswith("I;16"):  # convert() would clip all above 255 to white
        wide = np.asarray(picture).astype(np.uint16)
        picture = Image.fromarray((wide >> 8).astype(np.uint8))
    elif picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture if picture.mode == mode else picture.convert(mode)


def _resize(
    picture: Picture, size: tuple[int, int], crop: float | None, interpolation: str
) -> Picture:
    from PIL import Image

    height, width = size
    method = Image.Resampling[interpolation.upper()]
    if crop is None:
        return picture.resize((width, height), method)
    # Only the part that stays is resampled: a long thin picture would not fit into memory.
    factor = crop * min(picture.width / width, picture.height / height)
    left = max(0.0, (picture.width - width * factor) / 2)
    top = max(0.0, (picture.height - height * factor) / 2)
    if math.isclose(factor, 1.0, rel_tol=1e-9):  # pixels stay: half a pixel's shift would blur them
        return picture.crop((round(left), round(top), round(left) + width, round(top) + height))
    box = (left, top, picture.width - left, picture.height - top)
    return picture.resize((width, height), method, box=box)
