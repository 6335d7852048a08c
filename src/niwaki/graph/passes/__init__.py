"""Rewrites of the Graph, one file each, which register themselves."""
