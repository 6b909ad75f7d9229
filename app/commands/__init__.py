"""One module a command group. They import the rooms below only while they run, so that `sidra --help` stays quick."""
