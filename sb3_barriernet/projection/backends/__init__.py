"""Backends of the projection, by name."""
