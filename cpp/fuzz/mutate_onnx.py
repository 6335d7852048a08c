"""Mutations of ONNX models: fields of the protocol buffer, nodes and bytes."""

from __future__ import annotations

import random
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INTEGERS = [0, 1, -1, 2, 3, 5, 8, 63, 64, 255, 1000, 65536, 2**31 - 1, 2**31, -(2**31)]
WIDE = [2**32, 2**40, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), -float("inf")]
WORDS = ["", "x", "y", "N", "Conv", "Relu", "Add", "ai.onnx.ml", "qonnx.custom_op.general", "\x00"]


def mutant(seeds: list[bytes], rng: random.Random) -> bytes:
    """Return a mutant of one of the seeds."""
    data = rng.choice(seeds)
    if rng.random() < 0.1:
        return damage(data, rng)
    model = onnx.load_model_from_string(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.random() < 0.35:
            mutate_nodes(model, seeds, rng)
        else:
            mutate_field(model, rng)
    return model.SerializeToString()


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with some flipped, cut, doubled or left out."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(changed) or 1)
        kind = rng.randrange(5)
        if kind == 0 and changed:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + rng.choice([1, 4, 16])]
        else:
            changed[at:at] = changed[at : at + rng.choice([1, 4, 16])]
    return bytes(changed)


def mutate_nodes(model: onnx.ModelProto, seeds: list[bytes], rng: random.Random) -> None:
    """Delete, double, swap or rewire nodes, or take one of another model."""
    nodes = model.graph.node
    if not nodes:
        return
    node = rng.choice(nodes)
    kind = rng.randrange(7)
    names = [name for each in nodes for name in (*each.input, *each.output)]
    if kind == 0:
        nodes.remove(node)
    elif kind == 1:
        nodes.add().CopyFrom(node)
    elif kind == 2:
        other = onnx.load_model_from_string(rng.choice(seeds)).graph.node
        if other:
            nodes.add().CopyFrom(rng.choice(other))
    elif kind == 3:
        node.op_type = rng.choice(nodes).op_type
    elif kind == 4 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, ""])
    elif kind == 5 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice([*names, ""])
    else:
        node.input.append(rng.choice(names))


def mutate_field(model: Message, rng: random.Random) -> None:
    """Change one field somewhere in the model."""
    places: list[tuple[Message, FieldDescriptor]] = []
    _walk(model, places)
    message, field = rng.choice(places)
    if field.is_repeated:
        _mutate_list(message, field, rng)
    elif field.message_type is not None or rng.random() < 0.1:
        message.ClearField(field.name)
    else:
        value = new_value(field, getattr(message, field.name), rng)
        _set(message, field.name, value)


def _walk(message: Message, places: list[tuple[Message, FieldDescriptor]]) -> None:
    for field, value in message.ListFields():
        places.append((message, field))
        if field.message_type is None:
            continue
        for each in value if field.is_repeated else [value]:
            _walk(each, places)


def _mutate_list(message: Message, field: FieldDescriptor, rng: random.Random) -> None:
    items = getattr(message, field.name)
    at = rng.randrange(len(items))
    kind = rng.randrange(4)
    if kind == 0:
        del items[at]
    elif field.message_type is not None:
        if kind == 1 and len(items) < 100:
            items.add().CopyFrom(items[at])
        else:
            items[at].CopyFrom(items[rng.randrange(len(items))])
    elif kind == 1:
        items.append(items[at])
    else:
        value = new_value(field, items[at], rng)
        try:
            items[at] = value
        except (ValueError, TypeError):  # out of the field's range
            return


def new_value(field: FieldDescriptor, old: Any, rng: random.Random) -> Any:
    """Return an awkward value of a field's type."""
    if isinstance(old, bytes):
        return damage(old, rng)
    if isinstance(old, str):
        return rng.choice([*WORDS, old + "x", old[:-1]])
    if isinstance(old, float):
        return rng.choice([*FLOATS, old * 2, -old])
    near = [old + 1, old - 1, old * 2, -old, rng.randrange(10), rng.randrange(30)]
    return rng.choice([*near, *near, *INTEGERS, *WIDE])


def _set(message: Message, name: str, value: Any) -> None:
    try:
        setattr(message, name, value)
    except (ValueError, TypeError):  # out of the field's range, or no such enum
        return
