"""One reading as CSV, JSON, picture, PDF or DICOM, as bytes in memory.

Every format but DICOM names no patient and no file: it knows the image by the hash of its pixels.
"""
