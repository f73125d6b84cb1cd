"""Objectives: what a training minimises, a loss of a batch and the network's outputs. A new loss is one file here."""
