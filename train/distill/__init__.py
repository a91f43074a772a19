"""Knowledge distillation: a teacher, and what a LMeRAN learns from it."""
