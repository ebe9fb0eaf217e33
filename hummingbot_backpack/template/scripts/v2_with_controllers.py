"""Runs V2 controllers. Hummingbot's ``hbot start`` expects a script of this name, which its package leaves out.

The controllers decide by themselves; this script obeys their kill switches and stops those that lose too much.
"""

from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from hummingbot.strategy_v2.controllers.controller_base import ControllerBase
from hummingbot.strategy_v2.models.base import RunnableStatus
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction, StopExecutorAction


class V2WithControllersConfig(StrategyV2ConfigBase):  # type: ignore[misc]  # Hummingbot is untyped
    """Drawdowns, in the quote asset, are measured from the best result so far; None sets no limit."""

    script_file_name: str = "v2_with_controllers.py"
    max_global_drawdown_quote: float | None = None
    max_controller_drawdown_quote: float | None = None


class V2WithControllers(StrategyV2Base):  # type: ignore[misc]
    _ALL = "all controllers"

    def __init__(self, connectors: dict[str, object], config: V2WithControllersConfig) -> None:
        super().__init__(connectors, config)
        self._best: dict[str, float] = {}
        self._stopped_for_losses: set[str] = set()

    def on_tick(self) -> None:
        super().on_tick()
        if not self._is_stop_triggered:
            self._limit_losses()
            self._obey_kill_switches()

    def create_actions_proposal(self) -> list[CreateExecutorAction]:
        return []  # the controllers' own affair

    def stop_actions_proposal(self) -> list[StopExecutorAction]:
        return []

    def _limit_losses(self) -> None:
        results = {name: self._result(name) for name in self.controllers}
        for name, result in results.items():
            if self._has_lost(name, result, self.config.max_controller_drawdown_quote):
                self._stop_for_losses(name)
        if self._has_lost(self._ALL, sum(results.values()), self.config.max_global_drawdown_quote):
            for name in results:
                self._stop_for_losses(name)

    def _result(self, name: str) -> float:
        report = self.get_performance_report(name)
        return float(report.global_pnl_quote) if report else 0.0

    def _has_lost(self, whose: str, result: float, limit: float | None) -> bool:
        self._best[whose] = max(result, self._best.get(whose, 0.0))
        return limit is not None and self._best[whose] - result > limit

    def _stop_for_losses(self, name: str) -> None:
        if name not in self._stopped_for_losses:
            self._stopped_for_losses.add(name)
            self.logger().warning(f"Controller {name} has lost more than its limit and is stopped.")
            self._stop_controller(self.controllers[name])

    def _obey_kill_switches(self) -> None:
        for name, controller in self.controllers.items():
            runs = controller.status is RunnableStatus.RUNNING
            if controller.config.manual_kill_switch and runs:
                self._stop_controller(controller)
            elif not controller.config.manual_kill_switch and not runs and name not in self._stopped_for_losses:
                controller.start()

    def _stop_controller(self, controller: ControllerBase) -> None:
        """Its positions are closed by their executors, orders without fills are cancelled."""
        controller.stop()
        active = [executor for executor in self.get_executors_by_controller(controller.config.id) if executor.is_active]
        self.executor_orchestrator.execute_actions(
            [StopExecutorAction(controller_id=controller.config.id, executor_id=executor.id) for executor in active]
        )
