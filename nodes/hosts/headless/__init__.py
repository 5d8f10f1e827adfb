"""Without any program around: our blocks and ComfyUI's core nodes, with folders for a host."""
