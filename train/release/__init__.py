"""The ChestX-ray14 release as NIH ships it, checked and turned into `train.data.index`."""
