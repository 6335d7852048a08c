"""Targets: what runs a network and prices it: `cpu` measures, `size` packs and counts. No torch."""

from niwaki.targets._timing import Runner as Runner, Timing as Timing, interleave as interleave
