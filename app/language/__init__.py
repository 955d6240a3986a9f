"""The language of the page: catalogues of texts, and how they reach what the page shows."""
