"""The doctor: every picture of a set examined, what is wrong with the set, and a division of it without leaks."""
