"""The drawn faces: people with expressions, pose and light, with known landmarks, in sets on disk."""
