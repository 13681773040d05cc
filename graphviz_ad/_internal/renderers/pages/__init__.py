"""Canvas or Film -> pages of documents: PDF, slides, words."""
