"""Inside ComfyUI."""
