"""Rewrites of the Graph, one file each, which register themselves."""

from niwaki.graph.passes._base import (
    PASSES as PASSES,
    Pass as Pass,
    register_pass as register_pass,
    run_passes as run_passes,
)
