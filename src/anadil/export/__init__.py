"""What leaves the project: a plain Hugging Face folder, GGUF files, and the proof that they say the same."""
