"""Photos and real anomalies from a folder, a zip or files: what lies there, and what is what."""
