"""DICOM files: attributes, frames, pixel data, grayscale, and what may be read."""
