"""The tables of the papers: what they print (published.json)."""
