"""Checks that the faults share; each names the fault, the value and what was expected."""

import math

from .hooks import BadFault


def check_seconds(fault: str, name: str, seconds: float) -> None:
    if not 0 <= seconds < math.inf:
        raise BadFault(f"{fault}: expected {name} of 0 or more, was {seconds}")


def check_finite(fault: str, name: str, number: float) -> None:
    if not math.isfinite(number):
        raise BadFault(f"{fault}: expected {name} as a finite number, was {number}")


def check_range(fault: str, name: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:
        raise BadFault(f"{fault}: expected {name} from {least} to {most}, was {number}")
