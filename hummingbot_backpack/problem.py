"""How a command of ours says that it cannot go on."""


class Problem(Exception):
    """One clear sentence for the user; the command prints it and ends with exit code 2."""
