"""Hydra launchers: one subprocess a job, on this machine, on Ray or on SLURM. A failing job harms no other."""
