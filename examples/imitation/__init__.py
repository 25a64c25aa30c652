"""BarrierNet's three imitation tasks: an expert drives, a network that ends in a barrier layer learns to drive as it.

    python scripts/imitation.py

Read in this order: ``task.py`` says what a task is, ``robot_2d.py``, ``robot_3d.py`` and ``merging.py`` are the three
of Xiao et al. 2023, ``networks.py`` holds the network with the layer and those beside it, ``learning.py`` imitates,
``measures.py`` drives and measures, ``report.py`` and ``figure.py`` show it.
"""
