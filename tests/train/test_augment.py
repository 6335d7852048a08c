"""Augmentation: what it does, and that nothing but (seed, epoch, sample) decides it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from niwaki.errors import ValueDomainError
from niwaki.train.augment import Augment, hash_numbers


def pictures(count, channels=2, height=5, width=7, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, height, width)
    return torch.randint(1, 256, shape, generator=generator).to(dtype)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("none", Augment()),
        ("flip", Augment(flip=True)),
        ("shift2", Augment(2)),
        ("crop4+flip", Augment(4, True)),
        ("flip + crop4", Augment(4, True)),
    ],
)
def test_policies_by_name(text, policy):
    assert Augment.parse(text) == policy
    assert Augment.parse(str(policy)) == policy


@pytest.mark.parametrize("text", ["", "shift", "flop", "shift-1", "flip,shift1", "shift2x"])
def test_what_is_no_policy(text):
    with pytest.raises(ValueDomainError, match="a policy must be none, flip, shiftN"):
        Augment.parse(text)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9), st.integers(0, 3), st.booleans(), st.integers(0, 2**40), st.integers(0, 99)
)
def test_a_picture_alone_is_varied_as_in_its_batch(count, shift, flip, seed, epoch):
    policy, images = Augment(shift, flip), pictures(count)
    indices = torch.randperm(100, generator=torch.Generator().manual_seed(seed))[:count]
    together = policy.apply(images, indices, seed, epoch)
    alone = [policy.apply(images[i : i + 1], indices[i : i + 1], seed, epoch) for i in range(count)]
    assert torch.equal(together, torch.cat(alone))
    backwards = policy.apply(images.flip(0), indices.flip(0), seed, epoch)
    assert torch.equal(together, backwards.flip(0))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_shift_is_one_of_the_crops_of_the_padded_picture(dtype):
    image = pictures(1, dtype=dtype)
    padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
    crops = {
        (top, left): padded[:, :, top : top + 5, left : left + 7]
        for top in range(5)
        for left in range(5)
    }
    seen = set()
    for epoch in range(300):
        moved = Augment(2).apply(image, torch.tensor([3]), 0, epoch)
        places = [place for place, crop in crops.items() if torch.equal(crop, moved)]
        assert len(places) == 1
        seen.add(places[0])
    assert seen == set(crops)


def test_a_flip_mirrors_about_half_of_the_pictures():
    images = pictures(1000)
    varied = Augment(flip=True).apply(images, torch.arange(1000), 0, 0)
    kept = (varied == images).flatten(1).all(1)
    mirrored = (varied == images.flip(3)).flatten(1).all(1)
    assert (kept ^ mirrored).all()
    assert 440 <= int(kept.sum()) <= 560


def test_seed_epoch_and_sample_each_make_a_difference():
    images = pictures(1).expand(50, -1, -1, -1)
    policy, first = Augment(2, True), torch.arange(50)
    base = policy.apply(images, first, 0, 0)
    assert torch.equal(base, policy.apply(images, first, 0, 0))
    for seed, epoch, indices in ((1, 0, first), (0, 1, first), (0, 0, first + 50)):
        assert not torch.equal(base, policy.apply(images, indices, seed, epoch))


def test_no_policy_gives_the_pictures_back():
    images = pictures(3)
    assert Augment().apply(images, torch.arange(3), 0, 0) is images


def test_numbers_are_those_of_splitmix64():
    # The generator's first three outputs from seed 1234567, as its author's reference code gives
    # them; ours chains the same step over seed, epoch and stream.
    from niwaki.train.augment import _mix

    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.array([1234567], np.uint64) + golden * np.arange(3, dtype=np.uint64)
    assert _mix(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_numbers_are_uniform_and_streams_differ():
    numbers = hash_numbers(0, 0, np.arange(20_000), 0)
    counts = np.bincount((numbers % np.uint64(5)).astype(int), minlength=5)
    assert np.abs(counts - 4000).max() < 250
    assert len(np.unique(numbers)) == 20_000
    other = hash_numbers(0, 0, np.arange(20_000), 1)
    assert abs(float(np.corrcoef(numbers.astype(float), other.astype(float))[0, 1])) < 0.03
