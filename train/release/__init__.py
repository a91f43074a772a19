"""The ChestX-ray14 release as NIH ships it, checked and turned into the index of `train.index`."""
