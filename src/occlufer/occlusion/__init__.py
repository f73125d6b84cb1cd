"""Occluders: pure functions of an image and its landmarks; no torch, Lightning, Hydra or mediapipe."""
