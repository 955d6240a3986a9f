"""Behind the Concepts tab: real anomalies, groups of them, learning, and what was learned."""
