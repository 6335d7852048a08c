"""BCSC and BitsGEMM: what their page says must be shown (items 1 to 4, 6); speed is a benchmark."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from niwaki.errors import FormatError, ShapeError, ValueDomainError
from niwaki.formats._tiles import balance
from niwaki.formats.bcsc import Bcsc, bcsc_bits
from niwaki.formats.bits_gemm import BitsGemm, bits_gemm_bits

FORMATS = [
    lambda rows, columns: Bcsc(rows, columns),
    lambda rows, columns: BitsGemm(rows, columns),
    lambda rows, columns: BitsGemm(rows, columns, rows_first=True),
]
SHAPES = [(1, 1), (15, 17), (16, 64), (70, 130), (200, 33)]


def sample(shape, density, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 100, shape) * rng.choice([-1, 1], shape)
    return (weight * (rng.random(shape) < density)).astype(dtype)


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("tile", [(16, 16), (64, 64), (32, 256), (256, 256)])
def test_any_tile_gives_the_weight_back(make, tile):
    fmt = make(*tile)
    for shape, density in itertools.product(SHAPES, (0.0, 0.05, 0.5, 1.0)):
        weight = sample(shape, density)
        if shape == (200, 33):
            weight[64:128] = 0  # empty tiles between others
        encoded = fmt.encode(weight)
        np.testing.assert_array_equal(fmt.decode(encoded, shape), weight)
        assert fmt.size_bits(weight) == sum(array.nbytes for array in encoded.values()) * 8


def test_signs_come_back_and_take_a_bit():
    fmt = BitsGemm(signs=True)
    for density in (0.0, 0.1, 1.0):
        weight = np.sign(sample((70, 130), density, np.int8))
        encoded = fmt.encode(weight)
        np.testing.assert_array_equal(fmt.decode(encoded, weight.shape), weight)
        kept = np.count_nonzero(weight)
        assert encoded["signs"].size == -(-kept // 64)
        assert fmt.size_bits(weight) == sum(array.nbytes for array in encoded.values()) * 8
    with pytest.raises(ValueDomainError, match=r"must be -1, 0 or \+1, got 2"):
        fmt.encode(np.array([[0, 2]], np.int8))


def test_sizes_of_the_pages_example():
    """VGG's fc6 at 4 %: 20.6 MB and 3.3 MB; 16.4 MB and 12.8 MB; 411.0 MB dense."""
    outputs, inputs, kept = 4096, 25088, round(0.04 * 4096 * 25088)
    assert kept == 4_110_418
    tiles = 64 * 392
    header = 4 * (tiles + 1)
    assert kept * 5 == 20_552_090
    assert tiles * 65 * 2 == 3_261_440
    assert bcsc_bits(outputs, inputs, kept, 64, 64) == 8 * (kept * 5 + tiles * 65 * 2 + header)
    assert kept * 4 == 16_441_672
    assert outputs * inputs // 8 == 12_845_056
    bits = bits_gemm_bits(outputs, inputs, kept, 64, 64)
    assert bits == 8 * (kept * 4 + outputs * inputs // 8 + header)
    assert outputs * inputs * 4 == 411_041_792


def test_bits_per_kept_weight():
    """40 + 0.254 / d for BCSC and 32 + 1 / d for BitsGEMM, headers left out."""
    rng = np.random.default_rng(0)
    weight = np.zeros(512 * 512, np.float32)
    weight[rng.choice(weight.size, weight.size // 10, replace=False)] = 1
    weight = weight.reshape(512, 512)
    kept = np.count_nonzero(weight)
    bcsc = Bcsc().encode(weight)
    used = sum(bcsc[name].nbytes for name in ("column_starts", "rows", "values")) * 8
    assert used / kept == pytest.approx(42.54, abs=0.01)
    bits = BitsGemm().encode(weight)
    used = (bits["mask"].nbytes + bits["values"].nbytes) * 8
    assert used / kept == pytest.approx(42, abs=0.01)
    used += BitsGemm().bases(bits["mask"]).nbytes * 8
    assert used / kept == pytest.approx(44.5, abs=0.01)


def test_a_value_lies_at_its_words_base_and_popcount():
    weight = sample((64, 64), 0.3)
    fmt = BitsGemm()
    encoded = fmt.encode(weight)
    bases = fmt.bases(encoded["mask"])
    for row, column in zip(*np.nonzero(weight), strict=True):
        word = int(encoded["mask"][0, column])  # 64 rows: a word per column
        below = (word & ((1 << int(row)) - 1)).bit_count()
        assert encoded["values"][int(bases[0, column]) + below] == weight[row, column]


def test_zero_activations_skip_their_columns():
    fmt = Bcsc()
    weight = sample((200, 300), 0.2, np.int8)
    encoded = fmt.encode(weight)
    rng = np.random.default_rng(1)
    for zeros in (0.0, 0.5, 1.0):
        x = (rng.integers(1, 100, 300) * (rng.random(300) >= zeros)).astype(np.int8)
        output, done = fmt.multiply(encoded, 200, x)
        np.testing.assert_array_equal(output, weight.astype(np.int32) @ x.astype(np.int32))
        assert done == int(((weight != 0).sum(axis=0) * (x != 0)).sum())
        assert done == pytest.approx((1 - zeros) * np.count_nonzero(weight), rel=0.15)


def test_two_threads_get_the_same_number_of_non_zeros():
    """First half of the rows at 0.4, second half at 0.02: at most 5 % apart."""
    rng = np.random.default_rng(2)
    density = np.where(np.arange(4096) < 2048, 0.4, 0.02)
    rows = rng.binomial(4096, density)
    blocks = rows.reshape(64, 64).sum(axis=1)
    starts = balance(blocks, 2)
    first, second = (blocks[a:b].sum() for a, b in itertools.pairwise(starts))
    assert abs(first - second) / ((first + second) / 2) <= 0.05


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_balance_covers_every_block_once(parts):
    for weights in (np.zeros(0, int), np.ones(2, int), np.arange(40), np.array([0, 0, 9, 0])):
        starts = balance(weights, parts)
        assert starts[0] == 0
        assert starts[-1] == weights.size
        assert starts.size == parts + 1
        assert (np.diff(starts) >= 0).all()


def test_balance_needs_a_part():
    with pytest.raises(ValueDomainError, match="parts must be at least 1, got 0"):
        balance(np.ones(3), 0)


@pytest.mark.parametrize("make", [Bcsc, BitsGemm])
def test_odd_tiles_are_refused(make):
    with pytest.raises(ValueDomainError, match="one of 16, 32, 64, 128, 256, got 24 x 64"):
        make(24, 64)


def test_a_product_needs_a_vector():
    with pytest.raises(ShapeError, match=r"x must have shape \(K,\)"):
        Bcsc().multiply(Bcsc().encode(np.ones((2, 3), np.float32)), 2, np.ones((3, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block_starts": np.array([0, 9], np.uint32)}, "block_starts must be 2 numbers"),
        ({"block_starts": np.array([0, 4])}, "block_starts must be uint32"),
        ({"column_starts": np.zeros((1, 17), np.uint16)}, "column_starts must rise"),
        ({"rows": np.array([1, 0, 0, 1], np.uint8)}, "rows must rise inside a column"),
        ({"rows": np.array([0, 9, 0, 1], np.uint8)}, "an entry must lie inside"),
        ({"rows": np.array([0, 1], np.uint8)}, "rows must be as many as values"),
    ],
)
def test_damaged_bcsc_is_refused(change, message):
    fmt = Bcsc(16, 16)
    encoded = fmt.encode(np.ones((2, 2), np.float32))
    with pytest.raises(FormatError, match=message):
        fmt.decode({**encoded, **change}, (2, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.zeros((1, 4), np.uint64)}, "block_starts must be 2 numbers"),
        ({"mask": np.zeros((2, 4), np.uint64)}, "mask must be"),
        ({"mask": np.array([[0, 0, 0, 0xF]], np.uint64)}, "a bit must lie inside"),
        ({"values": np.ones(3, np.float32)}, "values must be"),
    ],
)
def test_damaged_bits_are_refused(change, message):
    fmt = BitsGemm(16, 16)
    encoded = fmt.encode(np.ones((2, 2), np.float32))
    with pytest.raises(FormatError, match=message):
        fmt.decode({**encoded, **change}, (2, 2))
