from .server import SimulatedBackpack

__all__ = ["SimulatedBackpack"]
