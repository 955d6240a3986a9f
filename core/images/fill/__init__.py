"""Let the surface go on where something was taken away."""
