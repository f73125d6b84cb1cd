"""Trained networks in use: a finished run as something that reads faces."""
