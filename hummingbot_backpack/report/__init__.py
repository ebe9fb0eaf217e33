"""The session report: what a trading session left behind, as a page and a picture.

``records`` reads it, ``figures`` draws the conclusions, ``picture`` and ``page`` show them, ``command`` is for the
command line.
"""
