"""Training by reconstruction, as in the paper: a driving frame is rebuilt from another frame of its clip.

Everything random in step s follows from (seed, s, place in the global batch), so that a resumed run, another number
of processes, or accumulation sees the same pairs and the same transforms.
"""
