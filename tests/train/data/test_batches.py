"""Batches: order, sharding and resuming are decided by (seed, epoch, place) alone."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from niwaki.errors import ValueDomainError
from niwaki.train import data


def whole(count, augment="none"):
    """Return a set whose picture i is full of the number i."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    arrays = {"x": images.numpy(), "y": (torch.arange(count) % 2).numpy()}
    arrays |= {"test_x": arrays["x"], "test_y": arrays["y"]}
    return data.load(arrays, mean=[0.0], std=[1.0], augment=augment)


def seen(batches):
    return [[round(float(image.max()) * 255) for image in x] for x, _ in batches]


def flat(batches):
    return [number for batch in seen(batches) for number in batch]


def test_testing_goes_in_order_and_leaves_nothing_out():
    assert seen(whole(7).batches("test", 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_training_goes_through_a_permutation():
    tiny = whole(50)
    orders = [flat(tiny.batches("train", 10, epoch=e)) for e in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert seen(tiny.batches("train", 10, seed=1)) != seen(tiny.batches("train", 10, seed=0))
    assert seen(tiny.batches("train", 10, train=False))[0] == list(range(10))


def test_labels_go_with_their_pictures():
    for x, y in whole(40).batches("train", 8):
        assert [round(float(image.max()) * 255) % 2 for image in x] == y.tolist()


def test_a_remainder_of_one_is_left_out_of_training():
    assert [len(x) for x, _ in whole(11).batches("train", 5)] == [5, 5]
    assert [len(x) for x, _ in whole(12).batches("train", 5)] == [5, 5, 2]
    assert [len(x) for x, _ in whole(3).batches("train", 64)] == [3]


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 60), st.integers(1, 3), st.integers(1, 6), st.integers(0, 9))
def test_ranks_share_each_step_and_start_resumes(count, world_size, per_rank, epoch):
    tiny = whole(count, "shift1")
    size = world_size * per_rank
    options = {"epoch": epoch, "seed": 5}
    steps = data.batches_per_epoch(count, size, world_size=world_size)
    ranks = [
        list(tiny.batches("train", size, rank=rank, world_size=world_size, **options))
        for rank in range(world_size)
    ]
    assert all(len(batches) == steps for batches in ranks)
    alone = list(tiny.batches("train", size, **options))
    for step in range(steps):
        parts = [batches[step] for batches in ranks]
        assert len({len(y) for _, y in parts}) == 1
        x = alone[step][0]
        for rank, (part, _) in enumerate(parts):
            assert torch.equal(part, x[rank::world_size][: len(part)])
    for start in range(steps + 1):
        rest = list(tiny.batches("train", size, start=start, world_size=world_size, **options))
        assert len(rest) == steps - start
        for (x, y), (x2, y2) in zip(rest, ranks[0][start:], strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(y, y2)


def test_ranks_test_everything_once():
    parts = [flat(whole(7).batches("test", 4, rank=rank, world_size=2)) for rank in (0, 1)]
    assert sorted(parts[0] + parts[1]) == list(range(7))


def test_augmentation_is_the_same_in_any_batch_size():
    tiny = whole(24, "shift1+flip")
    small = torch.cat([x for x, _ in tiny.batches("train", 4, epoch=2)])
    large = torch.cat([x for x, _ in tiny.batches("train", 12, epoch=2)])
    assert torch.equal(small, large)
    assert not torch.equal(small, torch.cat([x for x, _ in tiny.batches("train", 4, epoch=3)]))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch_size": 0}, r"batch_size must be a multiple of 1 \(ranks\), above 0, got 0"),
        ({"batch_size": 5, "world_size": 2}, r"must be a multiple of 2 \(ranks\)"),
        ({"batch_size": 4, "world_size": 2, "rank": 2}, "rank must be in 0 to 1, got 2"),
    ],
)
def test_shares_that_do_not_add_up(options, match):
    with pytest.raises(ValueDomainError, match=match):
        whole(8).batches("train", **options)


def test_a_split_that_is_none():
    with pytest.raises(ValueDomainError, match="split must be train or test, got 'val'"):
        whole(8).batches("val", 4)
