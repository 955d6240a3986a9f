"""One file per layout or annotation format; ``core.importers.importer`` finds them."""
