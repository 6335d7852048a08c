"""MNIST and Fashion-MNIST, 60,000 + 10,000 grey pictures of 28x28 pixels, in idx files.

Sources: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.
Xiao, Rasul, Vollgraf, "Fashion-MNIST", 2017, arXiv:1708.07747.
"""

from __future__ import annotations

from niwaki.train.data._registry import NamedSet, register_data

register_data(
    NamedSet(
        name="mnist",
        classes=tuple("0123456789"),
        channels=1,
        mean=(0.1307,),
        std=(0.3081,),
        augment="shift2",
        hub="ylecun/mnist",
    )
)
register_data(
    NamedSet(
        name="fashion-mnist",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        channels=1,
        mean=(0.2860,),
        std=(0.3530,),
        augment="shift2+flip",
        hub="zalando-datasets/fashion_mnist",
    )
)
