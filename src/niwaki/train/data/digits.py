"""The embedded data set: 1,797 handwritten digits of 8x8 pixels, from scikit-learn.

Source: Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, doi:10.24432/C50P49 (its test part).
"""

from __future__ import annotations

import numpy as np

from niwaki.errors import ToolMissingError
from niwaki.train.data._raw import Raw, check_part
from niwaki.train.data._registry import NamedSet, register_data


def read_digits(seed: int) -> Raw:
    """Read the digits; the split is drawn afterwards.

    Args:
        seed: Not used: the digits come as one part.

    Raises:
        ToolMissingError: scikit-learn isn't installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ToolMissingError(
            "data digits", "scikit-learn must be installed", fix="pip install niwaki[train]"
        ) from None
    pixels, labels = load_digits(return_X_y=True)
    # Counts of 0 to 16 set bits in 4x4 blocks; on the scale of every other picture.
    images = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Raw("digits", check_part("data digits", images, labels))


register_data(
    NamedSet(
        name="digits",
        classes=tuple("0123456789"),
        channels=1,
        # Of all 1,797; no published constants exist.
        mean=(0.3053,),
        std=(0.3759,),
        augment="shift1",
        embedded=read_digits,
    )
)
