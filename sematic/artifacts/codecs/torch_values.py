"""torch: tensors, modules and data loaders, pickled without copies of what they hold.

The summary has the structure of a module with its numbers of parameters, and what a tensor or a
data loader is. Tensors of other devices come back on the CPU.
"""

from collections.abc import Mapping
from typing import Any

import torch

from sematic.artifacts.codecs import pickles
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.summaries import type_name

_SAMPLE = 10_000
_PREVIEW = 20
_MAX_DEPTH = 6
_MAX_CHILDREN = 50

decode = pickles.decode


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return isinstance(value, torch.Tensor | torch.nn.Module | torch.utils.data.DataLoader)


def encode(value: Any) -> Encoded:
    """As any other object: the pickler takes the memory of tensors as it is."""
    return pickles.encode(value)


def summarise(value: Any) -> Mapping[str, Any]:
    """What it is made of; numbers are of a sample where a tensor is long."""
    if isinstance(value, torch.nn.Module):
        return _describe_module(value, 0)
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value)
    return _describe_loader(value)


def _describe_module(module: "torch.nn.Module", depth: int) -> dict[str, Any]:
    parameters = list(module.parameters())
    content: dict[str, Any] = {
        "kind": "module",
        "type": type_name(module),
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable": sum(p.numel() for p in parameters if p.requires_grad),
        "training": module.training,
    }
    settings = module.extra_repr()
    if settings:
        content["settings"] = settings
    children = list(module.named_children())
    if children and depth < _MAX_DEPTH:
        shown = children[:_MAX_CHILDREN]
        content["length"] = len(children)
        content["children"] = {name: _describe_module(child, depth + 1) for name, child in shown}
    return content


def _describe_tensor(tensor: "torch.Tensor") -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": "array",
        "type": type_name(tensor),
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "bytes": tensor.element_size() * tensor.numel(),
        "requires_grad": tensor.requires_grad,
    }
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        return {**content, "layout": str(tensor.layout)}
    flat = tensor.detach().reshape(-1) if tensor.is_contiguous() else tensor.detach().flatten()
    content["values"] = flat[:_PREVIEW].tolist()
    sample = flat[:: max(1, flat.numel() // _SAMPLE)].double()
    if sample.numel() < flat.numel():
        content["sampled"] = sample.numel()
    known = sample[~sample.isnan()]
    content["missing"] = sample.numel() - known.numel()
    if known.numel():
        content |= {"min": known.min().item(), "max": known.max().item()}
        content["mean"] = known.mean().item()
    return content


def _describe_loader(loader: Any) -> dict[str, Any]:
    names = ("batch_size", "num_workers", "pin_memory", "drop_last", "timeout")
    fields: dict[str, Any] = {name: getattr(loader, name) for name in names}
    dataset = loader.dataset
    fields["dataset"] = {"kind": "object", "type": type_name(dataset)}
    if hasattr(dataset, "__len__"):
        fields["dataset"]["length"] = len(dataset)
    fields["sampler"] = {"kind": "object", "type": type_name(loader.sampler)}
    return {"kind": "loader", "type": type_name(loader), "fields": fields}
