"""DICOM objects made of a reading: structured report, segmentation, secondary capture."""
