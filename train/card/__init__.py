"""The model card: written from measured figures, published with the checkpoint."""
