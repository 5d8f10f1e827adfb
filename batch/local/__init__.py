"""The local engine: graphs of our blocks and of ComfyUI's core nodes, run without ComfyUI."""
