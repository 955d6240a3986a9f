"""Work that takes a while: import, generation in bulk, propagation; and the runner that does it in the background."""
