"""What a draw is made of: 64 random bits, hashed from its address, and the numbers that are made of them.

The finaliser is SplitMix64's

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;  z = (z ^ z >> 27) * 0x94d049bb133111eb;  z ^ z >> 31        (1)

Source: (1) Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"; normals Box & Muller 1958; gamma
Marsaglia & Tsang 2000, "A simple method for generating gamma variables". Addresses and streams: `wayfare.draws`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wayfare.arrays import array_namespace

__all__ = [
    "COPY", "GAMMA", "LANE", "NAME", "NORMAL", "RAISED", "SEED", "STEP", "TURN", "UNIFORM", "WORD", "cubes", "finalise",
    "finalised", "gauss_of", "signed", "unit_of",
]  # fmt: skip

Array = Any
"""A NumPy array or a torch tensor."""

WORD = 0xFFFFFFFFFFFFFFFF


def signed(x: int) -> int:
    """x modulo 2^64 as the signed 64-bit integer with the same bits."""
    return ((x + (1 << 63)) & WORD) - (1 << 63)


SEED, NAME = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
COPY, STEP, LANE, TURN = map(signed, (0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3))
FIRST, SECOND = map(signed, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
UNIFORM, NORMAL, GAMMA, RAISED = range(4)
"""First `turn` of each kind of draw; the rejection rounds of a gamma draw go on in steps of 8."""
AGAIN = 3
"""Rounds that are drawn at once where the first was refused."""
ROUNDS = 64
"""A round of (Marsaglia & Tsang) accepts at least 95 %: the chance that 64 do not suffice is below 1e-83."""


def finalise(z: Array) -> Array:
    """(1) in wrapping int64, overwriting z; right shifts are logical, which torch has by a mask alone."""
    if isinstance(z, np.ndarray):
        bits = z.view(np.uint64)
        for shift, factor in ((30, FIRST), (27, SECOND), (31, 1)):
            bits ^= bits >> shift
            if factor != 1:
                z *= factor
        return z
    for shift, factor in ((30, FIRST), (27, SECOND), (31, 1)):
        high = z >> shift
        high &= (1 << (64 - shift)) - 1
        z ^= high
        if factor != 1:
            z *= factor
    return z


def finalised(z: int) -> int:
    """(1) of one number modulo 2^64, from 0 to 2^64 - 1: what `finalise` gives, sooner."""
    z = ((z ^ z >> 30) * (FIRST & WORD)) & WORD
    z = ((z ^ z >> 27) * (SECOND & WORD)) & WORD
    return z ^ z >> 31


def unit_of(z: Array) -> Array:
    """64 random bits -> strictly between 0 and 1."""
    if isinstance(z, np.ndarray):
        u: Array = (z.view(np.uint64) >> 12).astype(np.float64)
    else:
        xp = array_namespace(z)
        u = xp.astype((z >> 12) & 0xFFFFFFFFFFFFF, xp.float64)
    u += 0.5
    u *= 2.0**-52
    return u


def _halves(z: Array, *scales: float) -> Array:
    """[N], 64 random bits -> [2, N]: both halves k of 32 bits, upper first, as (k + 1/2) * scale."""
    if isinstance(z, np.ndarray):
        words = np.ascontiguousarray(z).astype("<i8", copy=False).view("<u4").reshape(-1, 2)
        u = words[:, ::-1].T.astype(np.float64, order="C")
    else:
        xp = array_namespace(z)
        u = xp.astype(xp.stack([z >> 32, z]) & 0xFFFFFFFF, xp.float64)
    u += 0.5
    for half, scale in zip(u, scales, strict=True):
        half *= scale
    return u


def gauss_of(z: Array) -> Array:
    """Box-Muller on the two halves of 64 random bits: |x| reaches 6.7."""
    xp = array_namespace(z)
    u = (xp.astype((z >> 32) & 0xFFFFFFFF, xp.float64) + 0.5) * 2.0**-32
    angle = xp.astype(z & 0xFFFFFFFF, xp.float64) * (2.0**-32 * 2 * math.pi)
    return xp.sqrt(-2.0 * xp.log(u)) * _circle(0.5 * angle)[0]


def _gauss_pair(z: Array) -> Array:
    """[N] -> [2, N] two independent ones of each."""
    xp = array_namespace(z)
    u, half_turn = _halves(z, 2.0**-32, 2.0**-32 * math.pi)
    radius = xp.sqrt(-2.0 * xp.log(u))
    cosine, sine = _circle(half_turn)
    cosine *= radius
    sine *= radius
    return xp.stack([cosine, sine])


def _circle(half: Array) -> tuple[Array, Array]:
    """Cosine and sine of 2 half; in NumPy by its tangent, which is vectorised and eight times as quick as either."""
    if isinstance(half, (np.ndarray, np.generic)):
        tangent: Array = np.tan(np.asarray(half))
        sine = 2.0 / (1.0 + tangent * tangent)
        cosine = sine - 1.0
        sine *= tangent
        return cosine, sine
    xp = array_namespace(half)
    return xp.cos(2.0 * half), xp.sin(2.0 * half)


def cubes(d: Array, begin: Array) -> Array:
    """v of Marsaglia & Tsang's method: d v is a gamma variable of shape d + 1/3 and unit scale.

    d: [K, N], K of 1 or 2        begin: [N] addresses; both rows live on the two normals and uniforms of one hash each

    The first accepted round counts. Only addresses that want another draw again, and those few several rounds at once.
    """
    xp = array_namespace(d)
    first, accept = _proposed(d, begin + signed(8 * TURN))
    both = accept[0] if d.shape[0] == 1 else accept[0] & accept[1]
    left = xp.nonzero(~both)[0]
    if not left.shape[0]:
        return first
    waiting, d, found = (xp.take(x, left, axis=1) for x in (~accept, d, first))
    begin, here = begin[left], left.shape[0]
    for turn in range(16, 8 * ROUNDS, 8 * AGAIN):
        many = xp.concat([begin + signed((turn + 8 * i) * TURN) for i in range(AGAIN)])
        v, accept = _proposed(xp.concat([d] * AGAIN, axis=1), many)
        for i in range(AGAIN):
            now = slice(i * here, (i + 1) * here)
            found = xp.where(waiting & accept[:, now], v[:, now], found)
            waiting &= ~accept[:, now]
        if not bool(xp.any(waiting)):
            break
    for cube, some in zip(first, found, strict=True):
        cube[left] = some
    return first


def _proposed(d: Array, at: Array) -> tuple[Array, Array]:
    """One round of it, d: [K, N], at: [N] -> v [K, N] and whether it is accepted.

    What the method's squeeze accepts, u < 1 - 0.0331 x^4, its logarithms would accept as well.
    """
    xp = array_namespace(d)
    x = _gauss_pair(finalise(at + 0))[: d.shape[0]]
    u = _halves(finalise(at + signed(4 * TURN)), 2.0**-32, 2.0**-32)[: d.shape[0]]
    root = xp.sqrt(9.0 * d)
    root = x / root
    root += 1.0
    v = root * root
    v *= root
    x *= x
    squeeze = 0.0331 * x
    squeeze *= x
    accept = (u < 1.0 - squeeze) & (v > 0)
    unsure = xp.nonzero(~xp.reshape(accept, (-1,)))[0]
    some, shape, square, coin = (xp.reshape(y, (-1,))[unsure] for y in (v, d, x, u))
    log = xp.log(xp.where(some > 0, some, 1.0))
    accept = xp.reshape(accept, (-1,))
    accept[unsure] = (xp.log(coin) < 0.5 * square + shape * (1.0 - some + log)) & (some > 0)
    return v, xp.reshape(accept, d.shape)
