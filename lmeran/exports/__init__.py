"""What a reader takes along: one reading as CSV, JSON, picture, PDF or DICOM, as bytes in memory.

Every form but DICOM names no patient and no file: it knows the image by the hash of its pixels.
"""
