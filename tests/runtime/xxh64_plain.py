"""XXH64 in Python, to hold the C++ one against.

Source: Y. Collet, "xxHash fast digest algorithm", specification 0.1.1, section XXH64.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def xxh64(data: bytes, seed: int = 0) -> int:
    """Return the XXH64 of `data`."""
    at, size = 0, len(data)
    if size >= 32:
        lanes = [seed + _P1 + _P2, seed + _P2, seed, seed - _P1]
        while at + 32 <= size:
            for index in range(4):
                word = int.from_bytes(data[at + 8 * index : at + 8 * index + 8], "little")
                lanes[index] = _round(lanes[index], word)
            at += 32
        result = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        result = seed + _P5
    result += size
    while at + 8 <= size:
        word = int.from_bytes(data[at : at + 8], "little")
        result = _rotate(result ^ _round(0, word), 27) * _P1 + _P4
        at += 8
    if at + 4 <= size:
        word = int.from_bytes(data[at : at + 4], "little")
        result = _rotate(result ^ (word * _P1 & _MASK), 23) * _P2 + _P3
        at += 4
    for byte in data[at:]:
        result = _rotate(result ^ (byte * _P5 & _MASK), 11) * _P1
    result &= _MASK
    result = (result ^ (result >> 33)) * _P2 & _MASK
    result = (result ^ (result >> 29)) * _P3 & _MASK
    return result ^ (result >> 32)


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value << by | value >> (64 - by)) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate(lane + word * _P2, 31) * _P1 & _MASK
