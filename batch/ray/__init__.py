"""The local engine spread over a Ray cluster."""
