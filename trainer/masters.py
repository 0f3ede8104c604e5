"""AdamW over float32 masters of the trained parameters, which may themselves be bfloat16.

Its whole state is named tensors, so a checkpoint is a safetensors file and no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq")


class MasterAdamW:
    """AdamW with clipping at a norm of 1.

    Args:
        parameters: what is trained, by name.
        learning_rate: of the schedule's peak.
        weight_decay: decoupled, as a share of the rate.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        self.parameters = dict(parameters)
        self._masters = {n: p.detach().clone().float().requires_grad_() for n, p in self.parameters.items()}
        self._adam = torch.optim.AdamW(
            list(self._masters.values()), lr=learning_rate, weight_decay=weight_decay, foreach=True
        )
        self._peak = learning_rate

    def step(self, rate: float) -> None:
        """Move the parameters along their gradients, which are then gone.

        Args:
            rate: share of the peak learning rate.
        """
        for name, parameter in self.parameters.items():
            grad = parameter.grad
            self._masters[name].grad = torch.zeros_like(self._masters[name]) if grad is None else grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self._masters.values(), 1.0)
        self._adam.param_groups[0]["lr"] = self._peak * rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(self._masters[name])

    def state(self) -> dict[str, Tensor]:
        """Masters and moments, to be given to `restore`."""
        out = {f"master.{name}": master.detach() for name, master in self._masters.items()}
        for name, master in self._masters.items():
            for key, value in self._adam.state[master].items():
                out[f"{key}.{name}"] = value
        return out

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`."""
        for name, master in self._masters.items():
            master.copy_(state[f"master.{name}"])
            if f"step.{name}" not in state:
                continue  # it had made no step
            moments = {key: state[f"{key}.{name}"].to(master.device) for key in _MOMENTS}
            self._adam.state[master] = {"step": state[f"step.{name}"].clone(), **moments}
        self._publish()
