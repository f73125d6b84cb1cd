"""Our own artwork, drawn by code in canonical coordinates (see `occlufer.occlusion.warp`)."""
