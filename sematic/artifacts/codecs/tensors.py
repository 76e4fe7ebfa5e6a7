"""torch's tensors in pickles: their memory is a buffer, and so neither copied nor compressed.

By torch's own way each would be an archive of its own, in memory several times. The names here are
in pickles: they stay.
"""

import pickle
import sys
from typing import Any


def reduce_tensor(tensor: Any) -> Any:
    """What the pickler makes of a tensor: its bytes in the order of its axes, on the CPU.

    Tensors that share memory have memory of their own when they are read; one that occurs twice is
    still one. Sparse and quantised ones, and subclasses, are left to torch.
    """
    torch = sys.modules["torch"]
    if type(tensor) is not torch.Tensor or tensor.layout is not torch.strided:
        return NotImplemented
    if tensor.is_quantized or tensor.is_meta or vars(tensor):
        return NotImplemented
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    memory = plain.reshape(-1).view(torch.uint8).numpy()
    dtype = str(tensor.dtype).removeprefix("torch.")
    buffer = pickle.PickleBuffer(memory if memory.size else bytearray())
    return build_tensor, (buffer, dtype, tuple(tensor.shape), tensor.requires_grad)


def build_tensor(buffer: Any, dtype: str, shape: tuple[int, ...], requires_grad: bool) -> Any:
    """A tensor whose memory is the buffer's."""
    import torch

    type_ = getattr(torch, dtype)
    if memoryview(buffer).nbytes == 0:
        made = torch.empty(shape, dtype=type_)
    else:
        made = torch.frombuffer(buffer, dtype=torch.uint8).view(type_).reshape(shape)
    return made.requires_grad_(requires_grad)
