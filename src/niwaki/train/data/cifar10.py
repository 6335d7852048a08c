"""CIFAR-10, 50,000 + 10,000 colour pictures of 32x32 pixels.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

from niwaki.train.data._registry import NamedSet, register_data

CIFAR10 = register_data(
    NamedSet(
        name="cifar10",
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        channels=3,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        augment="shift4+flip",
        hub="uoft-cs/cifar10",
    )
)
