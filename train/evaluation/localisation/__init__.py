"""Whether the maps lie where radiologists drew the lesion."""
