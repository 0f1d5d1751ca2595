"""Speed and memory of training, beside what others would use, on the user's own model and machine."""
