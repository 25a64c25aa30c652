"""Compiled kernels of the ``active_set`` backend. Importing a module of this package imports numba."""
