"""Cross-Scale Difference Aggregation (ComGEN, section III-D): differences from the nearest good photo, detected."""
