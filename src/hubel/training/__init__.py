"""Training: a recipe is a value, the loop is a visible generator, a run is a folder that can always go on."""
