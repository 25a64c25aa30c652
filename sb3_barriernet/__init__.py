"""Safe actions for Stable-Baselines3, while learning and after."""
