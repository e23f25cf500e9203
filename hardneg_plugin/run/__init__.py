"""Run recipes: stages, trainings and evaluations, with their files in a run folder."""
