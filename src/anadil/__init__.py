"""anadil: from raw text and an open base model to a tested chatbot in your language."""

__version__ = "0.1.0"
