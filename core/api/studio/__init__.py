"""Behind the Studio tab: single samples, bulk generation, the prompt editor, and why a mask is as it is."""
