"""Whether the maps show what the model uses."""
