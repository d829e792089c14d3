"""ZeRO stage 3 without a whole model on any rank: each module's weights are split when they are drawn.

`deepspeed.zero.Init` splits what a module owns when its constructor ends. It would also have all new tensors
made on the GPU and in half precision, where other numbers are drawn: here the weights are drawn on the CPU in
float32, as at every other stage, and take their place and precision after that.
"""

from typing import Any

import deepspeed
import torch


class Splitting(deepspeed.zero.Init):  # type: ignore[misc]
    """A context for the construction of a model. Collective: every rank draws the same weights.

    Args:
        config: DeepSpeed's configuration of the engine that the model is for.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config_dict_or_path=config, tensor_overrides=[])

    def split(self, model: torch.nn.Module) -> None:
        """Splits a model that was built whole, on the CPU, outside this context. Collective."""
        for param in model.parameters():
            param.data = param.data.to(self.local_device)
            self._zero_init_param(param)

    def _zero_init_param(self, param: torch.nn.Parameter) -> None:
        param.data = param.data.to(self.dtype)
        super()._zero_init_param(param)
