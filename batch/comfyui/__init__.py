"""The engine that runs jobs on ComfyUI servers."""
