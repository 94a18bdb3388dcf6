"""Scenarios, runs and what is read from them: config, runner, run folders, score card, figures, command line."""
