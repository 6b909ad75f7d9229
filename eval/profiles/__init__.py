"""Are profiles of any use? Measured on interactions that nothing has seen."""
