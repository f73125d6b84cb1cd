"""Bringing faces back: to the front, and from under an occluder."""
