"""Finding faces, their meshes and their eyes, offline, and following them through a clip."""
