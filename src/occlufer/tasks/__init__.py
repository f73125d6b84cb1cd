"""What the commands do once a request is known to be sound: here parts meet, and torch is imported."""
