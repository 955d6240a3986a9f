"""What trainings share: pictures at a network's size, batches, precision, and the networks (which load torch)."""
