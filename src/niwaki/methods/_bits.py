"""What deployable binary layers share: the folded threshold test that turns activations into bits.

bit = sign * x >= level, per input channel.

Source: niwaki, section 1 of docs/design/architecture.md.
"""

from __future__ import annotations

from torch import Tensor, nn

from niwaki import capture


class BitThreshold(nn.Module):
    """Hold the thresholds of a layer's input.

    Args:
        sign: -1 or +1 per input channel, (C,).
        level: Finite thresholds, (C,).
    """

    sign: Tensor
    level: Tensor
    _channel_shape: tuple[int, ...] = (-1,)

    def __init__(self, sign: Tensor, level: Tensor) -> None:
        super().__init__()
        self.register_buffer("sign", sign.reshape(self._channel_shape))
        self.register_buffer("level", level.reshape(self._channel_shape))
        self._note_signs()
        self.register_load_state_dict_post_hook(_note_signs)

    def _note_signs(self) -> None:
        # A plain bool: a value read from a tensor in forward would break torch.export.
        self.has_flips = bool((self.sign < 0).any())

    def bits(self, x: Tensor) -> Tensor:
        """Return the bits of x: 0.0 or 1.0, of x's shape and dtype."""
        signed = x * self.sign if self.has_flips else x
        return capture.binary_bits((signed >= self.level).to(x.dtype))


def _note_signs(module: BitThreshold, _keys: object) -> None:
    module._note_signs()
