"""What known findings do for the others, and whether the shifts they cause are right."""
