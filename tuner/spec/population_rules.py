"""What a population (pbt, pb2) may search: each rule yields (path, what is wrong).

A trial of a population goes on with the weights and the optimizer's state of another one and with new
parameters. So only what changes neither the network nor the optimizer may be searched: `CHANGEABLE`. In a
function of one's own any parameter may, as long as it exists in every trial.
"""

from collections.abc import Iterator

from tuner.spec.domains import Float, to_plain
from tuner.spec.reading import KeyPath
from tuner.spec.sections import ConfirmSpec, Pb2, Pbt, SearchSpec
from tuner.spec.space import Parameter, Space

CHANGEABLE = (
    "model.dropout",
    "train.batch_size",
    "train.gradient_clip",
    "train.l1",
    "train.l2",
    "train.label_smoothing",
    "train.micro_batch",
    "train.optimizer.betas",
    "train.optimizer.lr",
    "train.optimizer.momentum",
    "train.optimizer.weight_decay",
)
"""What a training takes up from a checkpoint with another value; tests prove each."""


def check_population(
    task: str | None, space: Space, search: SearchSpec, confirm: ConfirmSpec | None
) -> Iterator[tuple[KeyPath, str]]:
    """Nothing where the scheduler is another one."""
    scheduler = search.scheduler
    if not isinstance(scheduler, Pbt | Pb2):
        return
    name = scheduler.type
    if search.trials < 2:
        rest = f"must be at least 2, the population in which {name} copies the better trials; found 1"
        yield ("search", "trials"), f"{rest}; raise it"
    if confirm is not None:
        rest = f"repeats a trial with its parameters, which {name} changes on the way"
        yield ("confirm",), f"{rest}; found it with scheduler {name}; leave it out"
    if not space.parameters:
        rest = f"{name} changes what is searched; found no domain; search one of {', '.join(CHANGEABLE)}"
        yield ("search", "scheduler"), rest
    for parameter in space.parameters:
        wrong = _wrong(parameter, task, name)
        if wrong is not None:
            yield tuple(parameter.name.split(".")), wrong


def _wrong(parameter: Parameter, task: str | None, name: str) -> str | None:
    found = f"found {to_plain(parameter.domain)}"
    if task is not None and parameter.name not in CHANGEABLE:
        rest = f"cannot change while a trial trains, as {name} needs; {found}"
        return f"{rest}; write a value, or use another scheduler; {name} may search: {', '.join(CHANGEABLE)}"
    if parameter.conditions:
        rest = f"must exist in every trial of {name}; found it only where {parameter.conditions[-1][0]}"
        return f"{rest} is {parameter.conditions[-1][1]}; move it out of the choice"
    if name == "pb2" and not (isinstance(parameter.domain, Float) and parameter.domain.step is None):
        return f"must be a float without step, for pb2 fits a Gaussian process; {found}; use one, or pbt"
    return None
