"""Several samples in one sequence, kept apart by attention.

A padded batch spends most of its arithmetic on padding when lengths differ. Here the
samples of a micro-batch are concatenated into few sequences, with positions that restart
at each sample; transformers makes a block-diagonal mask from such positions. The outputs
are moved to their places in the padded batch, so TRL's losses and metrics need no
change. Whether a model really keeps samples apart is tested on the model itself
(keeps_apart), not taken from a list of architectures.
"""

import types
from typing import Any

import torch

_FIELDS = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1", "label_mask")


@torch.no_grad()
def keeps_apart(model: Any) -> bool:
    """Whether a sample's logits are the same beside another sample as alone.

    A change of the first sample must not change the second at all, and the second must be
    what it is alone within rounding.
    """
    size = min(model.config.get_text_config().vocab_size, 64)
    device = next(model.parameters()).device
    first = torch.arange(7, device=device) % size
    second = (torch.arange(9, device=device) * 5 + 3) % size
    positions = torch.cat([torch.arange(7), torch.arange(9)]).to(device)[None]
    was, _ = model.training, model.eval()
    try:
        both = [
            model(
                input_ids=torch.cat([head, second])[None], position_ids=positions, use_cache=False
            ).logits[0, 7:]
            for head in (first, (first + 11) % size)
        ]
        alone = model(input_ids=second[None], use_cache=False).logits[0]
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as e:
        if "memory" in str(e).lower():
            raise
        return False  # it takes no positions, or none that restart
    finally:
        model.train(was)
    exact = alone.dtype == torch.float32
    scale = alone.abs().max().clamp(min=1e-6)
    near = (both[0] - alone).abs().max() / scale < (1e-4 if exact else 5e-2)
    return torch.equal(both[0], both[1]) and bool(near)


@torch.no_grad()
def causal(model: Any) -> bool:
    """Whether logits are the same whatever comes after them, within rounding."""
    size = min(model.config.get_text_config().vocab_size, 64)
    device = next(model.parameters()).device
    ids = (torch.arange(16, device=device) * 5 + 3) % size
    other = torch.cat([ids[:8], (ids[8:] + 11) % size])
    was, _ = model.training, model.eval()
    try:
        a, b = (model(input_ids=x[None], use_cache=False).logits[0, :8] for x in (ids, other))
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as e:
        if "memory" in str(e).lower():
            raise
        return True  # not known; training itself will say what it lacks
    finally:
        model.train(was)
    limit = 1e-4 if a.dtype == torch.float32 else 5e-2
    return not (a - b).abs().max() > limit * a.abs().max().clamp(min=1e-6)


def arrange(lengths: list[int], hidden: int) -> tuple[list[tuple[int, int]], int, int]:
    """The place of each sample: (sequence, offset) of each, the number of sequences, their length.

    Longest first into the first sequence with room. Sequences are as long as makes the
    arithmetic least: a layer does 24·h² operations a token in its linear maps and
    4·h·length in attention.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    total, best = sum(lengths), None
    for parts in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, len(lengths)):
        if parts > len(lengths):
            continue
        size = max(lengths[order[0]], -(-total // parts))
        free: list[int] = []
        places = [(0, 0)] * len(lengths)
        for i in order:
            row = next((r for r, room in enumerate(free) if room >= lengths[i]), len(free))
            if row == len(free):
                free.append(size)
            places[i] = (row, size - free[row])
            free[row] -= lengths[i]
        size -= min(free)
        cost = len(free) * size * (6 * hidden + size)
        if best is None or cost < best[0]:
            best = (cost, places, len(free), size)
    return best[1], best[2], best[3]


def compact(model: Any) -> None:
    """Make a model with TRL's fused head compute padded batches without their padding.

    Batches are padded on the right. Only for models that keeps_apart.
    """
    inner = model.forward
    hidden = model.config.get_text_config().hidden_size

    def forward(self: Any, *args: Any, **kw: Any) -> Any:
        mask = kw.get("attention_mask")
        if args or not kw.get("fused_lm_head") or mask is None or "position_ids" in kw:
            return inner(*args, **kw)
        kw.pop("attention_mask")
        ids, labels = kw.pop("input_ids"), kw.pop("labels")
        lengths = mask.sum(1).tolist()
        places, rows, size = arrange(lengths, hidden)
        at = _index(lengths, places, size, ids.shape[1]).to(ids.device)
        seen = at >= 0
        flat = at[seen]
        packed_ids = ids.new_zeros(rows * size).scatter(0, flat, ids[seen]).view(rows, size)
        blank = labels.new_full((rows * size,), -100)
        starts = torch.zeros_like(seen)
        starts[:, 0] = True  # the token before a sample must not predict its first token
        packed_labels = blank.scatter(0, flat, labels.masked_fill(starts, -100)[seen])
        own = torch.arange(ids.shape[1], device=ids.device).expand_as(at)[seen]
        positions = _padding_positions(lengths, places, rows, size).to(ids.device)
        positions = positions.view(-1).scatter(0, flat, own).view(rows, size)
        out = inner(
            input_ids=packed_ids,
            labels=packed_labels.view(rows, size),
            position_ids=positions,
            **kw,
        )
        _put_back(out, at, size)
        return out

    model.forward = types.MethodType(forward, model)


def _index(
    lengths: list[int], places: list[tuple[int, int]], size: int, width: int
) -> torch.Tensor:
    """Where each token of the padded batch is in the flat packed one; -1 for padding."""
    base = torch.tensor([row * size + offset for row, offset in places])[:, None]
    column = torch.arange(width)[None]
    return torch.where(column < torch.tensor(lengths)[:, None], base + column, -1)


def _padding_positions(
    lengths: list[int], places: list[tuple[int, int]], rows: int, size: int
) -> torch.Tensor:
    """Positions of unused tails: each tail is a sample of its own."""
    used = [0] * rows
    for length, (row, offset) in zip(lengths, places, strict=True):
        used[row] = max(used[row], offset + length)
    return torch.arange(size)[None] - torch.tensor(used)[:, None]


def _put_back(out: Any, at: torch.Tensor, size: int) -> None:
    """Give the outputs of a packed batch the places of the padded one.

    The output at a token predicts the next token. So each sequence has one output less,
    and so has each sample: its last output would predict a token of another sample.
    """
    here = at[:, :-1]
    known = (at[:, 1:] >= 0) & (here >= 0)
    flat = (here - here.div(size, rounding_mode="floor")).masked_fill(~known, 0)
    for name in _FIELDS:
        value = getattr(out, name)
        if value is not None:
            setattr(out, name, value.reshape(-1)[flat].masked_fill(~known, 0))
    out.loss = None  # a caller that needs it sums log_probs
