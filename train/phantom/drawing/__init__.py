"""Drawing a synthetic radiograph: anatomy, bones, vessels, lesions, detector, files."""
