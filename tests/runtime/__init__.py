"""Tests of the engine and its file."""
