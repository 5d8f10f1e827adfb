"""Batch render: saved graphs over many inputs, on one machine, a farm, or a running ComfyUI."""
