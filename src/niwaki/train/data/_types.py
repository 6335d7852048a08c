"""What every source is turned into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from niwaki.errors import ValueDomainError
from niwaki.train.augment import Augment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class Images(Protocol):
    """Raw pictures by index: a tensor, or something that decodes when asked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Tensor:
        """Return raw pictures for an int64 tensor of indices: uint8 or float32 (n, C, H, W)."""
        ...


@dataclass(frozen=True)
class Split:
    """Hold one part of a data set.

    Args:
        images: Raw pictures, uint8 (N, C, H, W), values 0 to 255; float32 where the source was.
        labels: int64 (N,), from 0.
    """

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """Hold labelled pictures, and how a network gets to see them."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    """Names, by label."""
    preprocess: dict[str, Any]
    """From a raw picture to the input; see `niwaki.preprocess`."""
    augment: Augment = field(default_factory=Augment)
    """The set's own policy for training."""

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def train_images(self) -> Images:
        """Raw pictures for training, (N, C, H, W)."""
        return self.train.images

    @property
    def train_labels(self) -> Tensor:
        """Labels for training, int64 (N,)."""
        return self.train.labels

    @property
    def test_images(self) -> Images:
        """Raw pictures for testing, (N, C, H, W)."""
        return self.test.images

    @property
    def test_labels(self) -> Tensor:
        """Labels for testing, int64 (N,)."""
        return self.test.labels

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        epoch: int = 0,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        train: bool | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, y) of the "train" or the "test" split; see `niwaki.train.data.batches`.

        Args:
            split: "train" or "test".
            batch_size: Samples a step, over all ranks.
            epoch: Epoch, from 0.
            seed: The run's seed.
            start: Steps of this epoch that are done.
            rank: This process.
            world_size: Number of processes.
            train: Shuffle and augment; None does so for the train split only.

        Raises:
            ValueDomainError: No such split, or shares that don't add up.
        """
        from niwaki.train.data._batches import batches

        if split not in ("train", "test"):
            raise ValueDomainError("batches", "split must be train or test", got=repr(split))
        part = self.train if split == "train" else self.test
        return batches(
            part,
            epoch,
            batch_size,
            seed,
            preprocess=self.preprocess,
            augment=self.augment,
            start=start,
            rank=rank,
            world_size=world_size,
            train=split == "train" if train is None else train,
        )
