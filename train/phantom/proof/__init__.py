"""The proof on a synthetic world: shifts of pins and lesion maps against what is known."""
