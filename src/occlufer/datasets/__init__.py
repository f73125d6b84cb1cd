"""Dataset adapters: one file a format on disk; each turns a folder or a table into one `Manifest`."""
