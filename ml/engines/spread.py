"""One training in several processes, started by torchrun with one a GPU: who leads, and what all must do at the same
step. No Django here. Alone, each function answers at once."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")


class Parted(Exception):
    """Another process of this training is gone; if it failed, it has said why itself."""


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Parted(str(error)) from error


def rank() -> int:
    """This process's number; 0 leads."""
    return int(os.environ.get("RANK", 0))


def world() -> int:
    """Processes of this training."""
    return int(os.environ.get("WORLD_SIZE", 1))


def alone() -> bool:
    """For a training that one process does: whether it is this one. The others have nothing to do; this one then sees a
    single GPU and no torchrun."""
    if rank():
        return False
    if world() > 1:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name, None)
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return True


def join() -> torch.device:
    """Find the other processes; the device of this one. May be called again."""
    if not torch.cuda.is_available():
        device = torch.device("cpu")
    else:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if world() > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave() -> None:
    """Part from the other processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


@_together()
def wait() -> None:
    """Until all are here. Torchrun ends the rest when one process ends badly, whatever they are writing."""
    if world() > 1:
        distributed.barrier()


def leader_first(work: Callable[[], T]) -> T:
    """The answer of `work` in each process; the leader's is through before the others begin, so that what it writes is
    there for them."""
    if rank():
        wait()
        return work()
    found = work()
    wait()
    return found


@_together()
def any_says(mine: bool, device: torch.device) -> bool:
    """Whether one of the processes says yes: the same answer in all of them."""
    if world() < 2:
        return mine
    told = torch.tensor([float(mine)], device=device)
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return bool(told.item())


@_together()
def leaders(value: T) -> T:
    """The leader's value in every process: two that computed it themselves might differ in the last digit, and then do
    different things."""
    if world() < 2:
        return value
    told = [value]
    distributed.broadcast_object_list(told, 0)
    return told[0]


@_together()
def total(mine: float, device: torch.device) -> float:
    """The sum over the processes."""
    if world() < 2:
        return mine
    told = torch.tensor([mine], dtype=torch.float64, device=device)
    distributed.all_reduce(told)
    return float(told.item())


@_together()
def same_weights(model: torch.nn.Module) -> None:
    """The leader's trainable weights in every process: adapters and heads begin with random numbers."""
    if world() > 1:
        for p in model.parameters():
            if p.requires_grad:
                distributed.broadcast(p.data, 0)


@_together()
def sum_gradients(parameters: list[torch.nn.Parameter]) -> None:
    """Every parameter's gradient becomes the sum over the processes."""
    if world() < 2:
        return
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        distributed.all_reduce(p.grad)
