"""Environments that nobody here wrote, made safe; each file is a script of its own.

``imitation/`` is supervised learning with a barrier layer, run by ``scripts/imitation.py``.
"""
