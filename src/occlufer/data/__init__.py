"""From a dataset, a landmark cache and an occluder to the batches that a network meets."""
