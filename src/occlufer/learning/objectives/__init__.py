"""Objectives: modules that make a loss from logits and labels."""
