"""Networks and how they learn: knows tensors, torch, timm and Lightning, and nothing of files or faces."""
