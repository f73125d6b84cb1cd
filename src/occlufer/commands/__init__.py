"""One thin Hydra app a command: the only place that instantiates and wires."""
