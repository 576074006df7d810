"""A trained network put to other classes: its features, the frozen base, fine-tuning."""
