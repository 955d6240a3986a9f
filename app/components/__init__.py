"""What tabs share: photo panel, preview gallery, progress bar, parameter form, notices."""
