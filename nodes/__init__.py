"""The graph blocks: one host-neutral declaration each, and an adapter for each host."""
