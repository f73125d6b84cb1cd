"""Landmarks: found once on clean images, cached, read everywhere."""
