"""Raw text in, clean text out, every document accounted for."""
