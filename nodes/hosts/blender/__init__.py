"""The blocks in Blender. Standard library and bpy only: graphs run in a worker process under another Python."""
