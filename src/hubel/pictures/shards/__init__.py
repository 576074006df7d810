"""Tar shards in the WebDataset layout as a set: pictures and labels side by side in plain tar files, here or at a URL."""
