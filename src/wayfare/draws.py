"""Random numbers that depend on (seed, stream name, copy, step, lane) alone, in NumPy and torch alike.

The array API has no randomness, and a generator that is drawn from in turn makes copy 3 depend on how many copies there
are. Here a draw is a hash of its address: each part of the address times an odd constant of its own, summed, then the
SplitMix64 finaliser

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;  z = (z ^ z >> 27) * 0x94d049bb133111eb;  z ^ z >> 31        (1)

Integers and uniforms are bit-equal in both libraries and on every device; what passes through log and cos agrees to
rounding.

    Stream(seed, "reward noise").normal(copy, step)       # anything that broadcasts; the result has that shape
    Stream(seed, "policy").at(copy, step).uniform(arms)   # `Draws`, the small face that action rules ask for

The library of the result is that of the arrays in the address (NumPy when all are plain integers). Draws of different
kinds, say a uniform and a normal of one address, are independent; so are draws of different lanes: lane numbers the
several draws of one step.

Source: (1) Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"; normals Box & Muller 1958; gamma
and beta Marsaglia & Tsang 2000, "A simple method for generating gamma variables".
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import Any
from zlib import crc32

import numpy as np
from array_api_compat import device as device_of

from wayfare.arrays import array_namespace
from wayfare.bits import (
    COPY,
    GAMMA,
    LANE,
    NAME,
    NORMAL,
    RAISED,
    SEED,
    STEP,
    TURN,
    UNIFORM,
    WORD,
    cubes,
    finalise,
    finalised,
    gauss_of,
    signed,
    unit_of,
)
from wayfare.errors import BadValue

__all__ = ["Draws", "Stream"]

Array = Any
"""A NumPy array or a torch tensor."""


def _above_zero(field: str, x: Array) -> tuple[Array, bool]:
    """float64, and whether some are below 1. Raises: BadValue unless all are above 0."""
    xp = array_namespace(x)
    x = xp.astype(x, xp.float64, copy=False)
    least = float(xp.min(x)) if math.prod(x.shape) else 1.0
    if not least > 0:
        raise BadValue(field, least, "above 0")
    return x, least < 1


@lru_cache(maxsize=256)
def _lanes(actions: int) -> Array:
    """1 .. actions, read-only."""
    lanes = np.arange(1, actions + 1, dtype=np.int64)
    lanes.flags.writeable = False
    return lanes


def _part(field: str, x: Any) -> Any:
    """An address part: a Python integer, or an array as int64. A NumPy array of no dimension is an integer: arithmetic
    on arrays wraps silently, on NumPy's scalars with a warning."""
    if type(x) is int or (type(x) is np.ndarray and x.dtype == np.int64 and x.ndim):
        return x
    if isinstance(x, (int, np.integer)) and not isinstance(x, (bool, np.bool_)):
        return int(x)
    try:
        xp = array_namespace(x)
        integral = xp.isdtype(x.dtype, "integral")
    except TypeError:
        integral = False
    if not integral:
        raise BadValue(field, x, "an integer or an array of integers")
    if isinstance(x, np.ndarray) and not x.ndim:
        return int(x)
    return xp.astype(x, xp.int64, copy=False)


def _actions_last(x: Array) -> Array:
    """[A, ...] -> [..., A], a view."""
    return x.T if x.ndim == 2 else array_namespace(x).moveaxis(x, 0, -1)


class Stream:
    """All draws of one name: `Stream(seed, "task")` has nothing in common with `Stream(seed, "policy")`.

    seed: an integer, or an integer array that broadcasts against copy and step; entry i then draws as
    `Stream(int(seed[i]), name)` would

    Every method takes copy, step and lane: integers or integer arrays that broadcast together, and with the seed, to
    the shape of the result.
    Raises: BadValue when a part of the address is not integral.
    """

    def __init__(self, seed: int | Array, name: str) -> None:
        self.name = name
        tag = crc32(name.encode()) * NAME
        seed = _part("seed", seed)
        if isinstance(seed, int):
            self._key: Any = signed(finalised((seed * SEED + tag) & WORD))
        else:
            self._key = finalise(seed * signed(SEED) + signed(tag))

    def _address(self, turn: int, copy: Any, step: Any, lane: Any) -> Any:
        """What is hashed: an integer where all parts are, else an int64 array; `turn` numbers a draw's hashes."""
        fixed, z = turn * TURN, None
        for field, part, odd in (
            ("key", self._key, 1),
            ("copy", copy, COPY),
            ("step", step, STEP),
            ("lane", lane, LANE),
        ):
            x = _part(field, part)
            if type(x) is int:
                fixed += x * odd
            else:
                z = x * odd if z is None else z + x * odd
        return fixed & WORD if z is None else z + signed(fixed)

    def _bits(self, turn: int, copy: Any, step: Any, lane: Any) -> Array:
        """64 random bits of the address as int64."""
        z = self._address(turn, copy, step, lane)
        return np.asarray(signed(finalised(z))) if type(z) is int else finalise(z)

    def _unit(self, turn: int, copy: Any, step: Any, lane: Any) -> Array:
        z = self._address(turn, copy, step, lane)
        if type(z) is int:
            return np.float64(((finalised(z) >> 12) + 0.5) * 2.0**-52)
        return unit_of(finalise(z))

    def _gauss(self, turn: int, copy: Any, step: Any, lane: Any) -> Array:
        return gauss_of(self._bits(turn, copy, step, lane))

    def _gammas(self, shapes: Array, low: bool, copy: Any, step: Any, lane: Any) -> Array:
        """shapes: [K, ...], K of 1 or 2 -> independent gamma variables, of shape + 1 where that is below 1.

        low: whether there are such shapes
        """
        xp = array_namespace(shapes)
        begin = self._address(GAMMA, copy, step, lane)
        if type(begin) is int:
            begin = xp.asarray(signed(begin), dtype=xp.int64, device=device_of(shapes))
        d = (xp.where(shapes < 1, shapes + 1.0, shapes) if low else shapes) - 1.0 / 3.0
        if begin.shape != d.shape[1:]:  # the leading K is not the address's: they broadcast without it
            begin, first = xp.broadcast_arrays(begin, d[0])
            d = xp.stack([first, *(xp.broadcast_to(row, first.shape) for row in d[1:])])
        return d * xp.reshape(cubes(xp.reshape(d, (d.shape[0], -1)), xp.reshape(begin, (-1,))), d.shape)

    def _log(self, gamma: Array, shape: Array, turn: int, copy: Any, step: Any, lane: Any) -> Array:
        """Of what `_gammas` gave; where the shape was raised, scaled back by u^(1/shape)."""
        xp = array_namespace(shape)
        log_u = xp.log(self._unit(turn, copy, step, lane))
        return xp.where(shape < 1, xp.log(gamma) + log_u / shape, xp.log(gamma))

    def uniform(self, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """float64, strictly between 0 and 1."""
        return self._unit(UNIFORM, copy, step, lane)

    def normal(self, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """float64, mean 0 and variance 1."""
        return self._gauss(NORMAL, copy, step, lane)

    def integers(self, high: int | Array, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """int64, uniform over 0 .. high - 1; high: an integer or an array that broadcasts with the address.

        Raises: BadValue unless 1 <= high < 2^31.
        """
        u = self._unit(UNIFORM, copy, step, lane)
        xp = array_namespace(u)
        if not bool(xp.all((xp.asarray(high) >= 1) & (xp.asarray(high) < 1 << 31))):
            raise BadValue("high", high, "at least 1 and below 2^31")
        return xp.astype(u * high, xp.int64)

    def categorical(self, p: Array, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """p: [..., A], rows with a positive sum -> int64 [...], the index drawn; never one of probability zero."""
        xp = array_namespace(p)
        u = self._unit(UNIFORM, copy, step, lane)
        if type(p) is np.ndarray and p.ndim == 1 and not u.ndim:  # one row: sooner than by ten calls of NumPy
            upto = list(accumulate(p.tolist()))
            return np.int64(bisect_right(upto, float(u) * upto[-1]))
        edges = xp.cumulative_sum(xp.astype(p, xp.float64), axis=-1)
        below = (u[..., None] * edges[..., -1:] < edges) & (p > 0)
        first = xp.arange(p.shape[-1], 0, -1, dtype=xp.int64, device=device_of(p))
        return xp.argmax(xp.astype(below, xp.int64) * first, axis=-1)

    def log_gamma(self, shape: Array, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """Logarithm of a gamma variable of unit scale, float64 (logarithm: tiny shapes underflow); shape > 0, an array.

        Shapes below 1 are raised by one and the draw is scaled by u^(1/shape).
        Raises: BadValue for a shape not above 0.
        """
        shape, low = _above_zero("shape", shape)
        return self._log(self._gammas(shape[None, ...], low, copy, step, lane)[0], shape, GAMMA, copy, step, lane)

    def beta(self, a: Array, b: Array, copy: Any, step: Any = 0, lane: Any = 0) -> Array:
        """float64 in [0, 1]; a, b: arrays, above 0. Raises: BadValue otherwise.

        x / (x + y) of two gamma variables; of their logarithms where a or b is below 1, since tiny shapes underflow.
        """
        (a, some), (b, others) = _above_zero("a", a), _above_zero("b", b)
        xp = array_namespace(a)
        a, b = xp.broadcast_arrays(a, b)
        x, y = self._gammas(xp.stack([a, b]), some or others, copy, step, lane)
        share = x / (x + y)
        if not (some or others):
            return share
        low = (a < 1) | (b < 1)
        log_x, log_y = (
            self._log(gamma, shape, turn, copy, step, lane) for gamma, shape, turn in ((x, a, GAMMA), (y, b, RAISED))
        )
        return xp.where(low, 1.0 / (1.0 + xp.exp(xp.clip(log_y - log_x, -700.0, 700.0))), share)

    def at(self, copy: Any, step: Any = 0) -> Draws:
        """The draws of one decision of each copy."""
        return Draws(self, copy, step)


class Draws:
    """What one decision of each copy draws. `...` is the shape of copy, step and seed together; lanes number actions.

    `uniform()` and `uniform(A)` are independent of each other and of `normal(A)` and `beta(a, b)`; asking twice gives
    the same numbers.
    """

    def __init__(self, stream: Stream, copy: Any, step: Any = 0) -> None:
        self._stream, self._copy, self._step = stream, _part("copy", copy), _part("step", step)

    def _address(self, actions: int) -> tuple[Any, Any, Any]:
        """Copy, step and lanes, for draws of [A, ...]: passes over them are quicker so (`wayfare.arrays`)."""
        arrays = [x for x in (self._stream._key, self._copy, self._step) if not isinstance(x, int)]
        lanes = _lanes(actions)
        if not arrays:
            return self._copy, self._step, lanes
        if not isinstance(arrays[0], np.ndarray):
            xp = array_namespace(arrays[0])
            lanes = xp.arange(1, actions + 1, dtype=xp.int64, device=device_of(arrays[0]))
        return self._copy, self._step, lanes.reshape(actions, *[1] * max(x.ndim for x in arrays))

    def of(self, rows: Array) -> Draws:
        """Those of some of N decisions: rows, their indices."""
        parts = [self._copy, self._step, self._stream._key]
        copy, step, key = (x if isinstance(x, int) or x.shape in ((), (1,)) else x[rows] for x in parts)
        chosen = Stream.__new__(Stream)
        chosen.name, chosen._key = self._stream.name, key
        return Draws(chosen, copy, step)

    def uniform(self, actions: int | None = None) -> Array:
        """Strictly between 0 and 1: [...] one a decision, or [..., A] one an action."""
        if actions is None:
            return self._stream.uniform(self._copy, self._step)
        return _actions_last(self._stream.uniform(*self._address(actions)))

    def normal(self, actions: int) -> Array:
        """[..., A] of mean 0 and variance 1."""
        return _actions_last(self._stream.normal(*self._address(actions)))

    def beta(self, a: Array, b: Array) -> Array:
        """a, b: [..., A], above 0 -> [..., A] in [0, 1]. Raises: BadValue otherwise."""
        address = self._address(a.shape[-1])
        xp, rows = array_namespace(a), max(a.ndim, b.ndim, address[-1].ndim)
        a, b = (xp.moveaxis(xp.reshape(x, (*[1] * (rows - x.ndim), *x.shape)), -1, 0) for x in (a, b))
        return _actions_last(self._stream.beta(a, b, *address))

    def categorical(self, p: Array) -> Array:
        """p: [..., A], rows with a positive sum -> int64 [...], by the number that `uniform()` gives."""
        return self._stream.categorical(p, self._copy, self._step)
