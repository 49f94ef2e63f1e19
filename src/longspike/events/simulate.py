"""A simulated event camera: pixels that fire when their log intensity has moved by a contrast threshold."""

import numpy as np

from longspike.events.arguments import check_integer, check_number, check_rng, check_sensor_size
from longspike.events.denoise import refractory_filter
from longspike.events.record import EVENT_DTYPE

__all__ = ["mismatched_contrast", "saccade_frames", "simulate_events"]

SMALLEST_SHARE = 0.1
"""A mismatched threshold is at least this share of the nominal one."""
TRIANGLE = ((0.0, 0.0), (0.5, 1.0), (1.0, 0.0), (0.125, 0.125))
"""The corners (dx, dy) that three saccades join, in units of the amplitude. The last one is not the first: where a path
closes, every pixel is back at its first intensity at once, and all of them send an event in that microsecond."""


def mismatched_contrast(
    contrast: float, sensor_size: tuple[int, int], *, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """A contrast threshold per pixel: contrast * max(1 + spread * n, 0.1), n standard normal.

    Args:
        contrast: the nominal threshold, > 0, in units of log intensity.
        sensor_size: (width, height).
        spread: relative standard deviation, >= 0; real sensors have a few per cent.
        rng: a numpy Generator.
    Returns: (height, width), float64.
    """
    where = "mismatched_contrast"
    check_number(where, "contrast", contrast, low=1e-6)
    check_number(where, "spread", spread, low=0.0)
    check_rng(where, rng)
    width, height = check_sensor_size(where, sensor_size)
    return contrast * np.maximum(1.0 + spread * rng.standard_normal((height, width)), SMALLEST_SHARE)


def _checked_frames(frames: np.ndarray, times_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames as float64 and times as int64; raise unless they fit together."""
    where = "simulate_events"
    frames, times = np.asarray(frames, np.float64), np.asarray(times_us)
    if frames.ndim != 3 or len(frames) < 1:
        raise ValueError(f"{where}: `frames` must have shape (num_frames, height, width); got {frames.shape}.")
    check_sensor_size(where, frames.shape[:0:-1])
    if not np.isfinite(frames).all() or (frames.size and frames.min() < 0):
        raise ValueError(f"{where}: `frames` must be finite intensities of at least 0. Scale the images to [0, 1].")
    if times.shape != frames.shape[:1] or times.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: `times_us` must hold one integer per frame, shape {frames.shape[:1]}; got shape {times.shape}, "
            f"dtype {times.dtype}. Round times in seconds with (1e6 * t_s).round().astype(int)."
        )
    times = times.astype(np.int64)
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError(
            f"{where}: `times_us` must start at 0 or later and rise from frame to frame. Drop frames of equal time."
        )
    return frames, times


def _checked_threshold(name: str, contrast: float | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A threshold per pixel, (height, width), float64."""
    threshold = np.asarray(contrast, np.float64)
    if threshold.shape not in ((), shape) or not np.isfinite(threshold).all() or (threshold <= 0).any():
        raise ValueError(
            f"simulate_events: `{name}` must be a number above 0, or one per pixel of shape {shape}; got shape "
            f"{threshold.shape}. Try 0.2."
        )
    return np.broadcast_to(threshold, shape)


def _crossings(levels: np.ndarray, times: np.ndarray, rise: np.ndarray, fall: np.ndarray) -> np.ndarray:
    """All threshold crossings as events in the order of time; equal times by frame, then in raster order."""
    num_frames, height, width = levels.shape
    counts = np.empty((num_frames - 1, height, width))
    references = np.empty_like(counts)
    reference = levels[0].copy()
    for k in range(num_frames - 1):
        references[k] = reference
        moved = levels[k + 1] - reference
        counts[k] = np.trunc(moved / np.where(moved > 0, rise, fall))
        reference = reference + counts[k] * np.where(moved > 0, rise, fall)
    frame, y, x = np.nonzero(counts)
    steps = counts[frame, y, x]
    repeats = np.abs(steps).astype(np.int64)
    which = np.repeat(np.arange(len(steps)), repeats)
    order = np.arange(len(which)) - np.repeat(np.cumsum(repeats) - repeats, repeats) + 1
    step = np.where(steps > 0, rise[y, x], -fall[y, x])
    start = levels[frame, y, x]
    slope = levels[frame + 1, y, x] - start
    share = np.clip((references[frame, y, x][which] + order * step[which] - start[which]) / slope[which], 0.0, 1.0)
    interval = frame[which]
    events = np.empty(len(which), EVENT_DTYPE)
    events["x"], events["y"], events["p"] = x[which], y[which], steps[which] > 0
    events["t"] = times[interval] + (share * np.diff(times)[interval]).astype(np.int64)
    return events[np.argsort(events["t"], kind="stable")]


def _noise(rate_hz: float, times: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Background activity: a Poisson process per pixel, polarities by a fair coin."""
    duration_us = int(times[-1] - times[0])
    num_events = int(rng.poisson(rate_hz * duration_us * 1e-6 * shape[0] * shape[1]))
    events = np.empty(num_events, EVENT_DTYPE)
    events["x"] = rng.integers(0, shape[1], num_events)
    events["y"] = rng.integers(0, shape[0], num_events)
    events["t"] = times[0] + np.sort(rng.integers(0, max(duration_us, 1), num_events))
    events["p"] = rng.integers(0, 2, num_events)
    return events


def simulate_events(
    frames: np.ndarray,
    times_us: np.ndarray,
    *,
    contrast: float | np.ndarray = 0.2,
    contrast_off: float | np.ndarray | None = None,
    log_offset: float = 0.1,
    refractory_us: int = 0,
    noise_rate_hz: float = 0.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The events that an ideal camera with the given imperfections sends while it looks at `frames`.

    Each pixel follows L = log(intensity + log_offset), linear in time between two frames, and keeps a reference level
    R, at first L of the first frame. Whenever L reaches R + contrast the pixel sends an on-event and R rises by
    contrast; whenever L reaches R - contrast_off it sends an off-event and R falls by contrast_off. So a pixel that
    brightens by d log intensity sends floor(d / contrast) events. The time of a crossing is interpolated and rounded
    down to a microsecond.

    Background noise is a Poisson process per pixel that leaves R alone. Then the refractory period of a pixel drops
    every event, noise or not, that comes sooner than `refractory_us` after the last one that was sent
    (`refractory_filter`); R has moved nevertheless. Leakage, finite bandwidth and the arbitration of the read-out are
    not simulated.

    Args:
        frames: (num_frames, height, width), intensities of at least 0, the usual range being [0, 1].
        times_us: (num_frames,), integers of at least 0 that rise.
        contrast: threshold of on-events, > 0; a number, or one per pixel (height, width), see `mismatched_contrast`.
        contrast_off: threshold of off-events, `contrast` by default.
        log_offset: > 0; intensities far below it look alike, as dark current makes them.
        refractory_us: >= 0.
        noise_rate_hz: noise events per pixel and second, >= 0; more than 0 needs `rng`.
        rng: a numpy Generator; the result is a function of the arguments and its state.
    Returns: (num_events,), EVENT_DTYPE, in the order of time.
    Raises: ValueError, TypeError for an argument of the wrong shape, dtype or range, or noise without `rng`.
    Reference: Lichtsteiner, Posch and Delbruck 2008 (the pixel); Rebecq, Gehrig and Scaramuzza 2018, ESIM (linear
        interpolation between frames). Written from the model, not from their code.

    Example:
        >>> frames = np.array([[[0.1, 0.5]], [[0.9, 0.5]]])       # one pixel brightens by log(1.0 / 0.2) = 1.61
        >>> events = simulate_events(frames, np.array([0, 1000]), contrast=0.5)
        >>> events["x"].tolist(), events["t"].tolist(), events["p"].tolist()
        ([0, 0, 0], [310, 621, 932], [1, 1, 1])
    """
    where = "simulate_events"
    frames, times = _checked_frames(frames, times_us)
    rise = _checked_threshold("contrast", contrast, frames.shape[1:])
    fall = rise if contrast_off is None else _checked_threshold("contrast_off", contrast_off, frames.shape[1:])
    check_number(where, "log_offset", log_offset, low=1e-9)
    check_number(where, "noise_rate_hz", noise_rate_hz, low=0.0)
    events = _crossings(np.log(frames + log_offset), times, rise, fall)
    if noise_rate_hz > 0:
        noise = _noise(noise_rate_hz, times, frames.shape[1:], check_rng(where, rng))
        events = np.concatenate((events, noise))
        events = events[np.argsort(events["t"], kind="stable")]
    return refractory_filter(events, refractory_us=refractory_us)


def _sampling_weights(num_pixels: int, num_samples: int, scale: float, shift: np.ndarray) -> np.ndarray:
    """Linear interpolation of a centred, scaled and shifted row, (num_frames, num_pixels, num_samples).

    Pixel X looks at sample coordinate u = (X - (num_pixels-1)/2 - shift) / scale + (num_samples-1)/2 and weighs sample
    i by max(0, 1 - |u - i|).
    """
    pixels = np.arange(num_pixels) - (num_pixels - 1) / 2 - shift[:, None]
    seen = pixels / scale + (num_samples - 1) / 2
    return np.maximum(0.0, 1.0 - np.abs(seen[..., None] - np.arange(num_samples)))


def saccade_frames(
    image: np.ndarray,
    sensor_size: tuple[int, int],
    *,
    scale: float = 1.0,
    amplitude_px: float = 4.0,
    saccade_us: int = 100_000,
    frames_per_saccade: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """What a camera sees of a still image while it makes three saccades along a triangle, as N-MNIST was recorded.

    The image lies in the middle of the sensor, magnified by `scale`, and moves with constant speed through the corners
    (0, 0), (a/2, a), (a, 0), (a/8, a/8) with a = amplitude_px, the whole triangle centred on the middle. The last one lies
    beside the first, as eyes and motors do not come back exactly. Positions between pixels are sampled bilinearly; around
    the image it is dark (0).

    Args:
        image: (rows, columns), intensities of at least 0.
        sensor_size: (width, height).
        scale: sensor pixels per image pixel, > 0.
        amplitude_px: size of the triangle in sensor pixels, >= 0.
        saccade_us: duration of one saccade, at least frames_per_saccade.
        frames_per_saccade: at least 1.
    Returns: frames (3 * frames_per_saccade + 1, height, width), float64, and their times in microseconds, int64,
        from 0 to 3 * saccade_us.
    Reference: Orchard, Jayawant, Cohen and Thakor 2015 (three saccades of 100 ms along a triangle). The recording's
        mirror, lens and exact angles are not modelled.

    Example:
        >>> frames, times_us = saccade_frames(np.ones((2, 2)), (8, 6), frames_per_saccade=5)
        >>> frames.shape, times_us[-1].item()
        ((16, 6, 8), 300000)
    """
    where = "saccade_frames"
    image = np.asarray(image, np.float64)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"{where}: `image` must have shape (rows, columns); got {image.shape}.")
    width, height = check_sensor_size(where, sensor_size)
    check_number(where, "scale", scale, low=1e-3)
    check_number(where, "amplitude_px", amplitude_px, low=0.0)
    check_integer(where, "frames_per_saccade", frames_per_saccade, low=1)
    check_number(where, "saccade_us", saccade_us, low=frames_per_saccade)
    num_saccades = len(TRIANGLE) - 1
    progress = np.arange(num_saccades * frames_per_saccade + 1) / frames_per_saccade
    corners = amplitude_px * (np.array(TRIANGLE) - 0.5)
    dx, dy = (np.interp(progress, np.arange(num_saccades + 1), corners[:, axis]) for axis in range(2))
    columns = _sampling_weights(width, image.shape[1], scale, dx)
    rows = _sampling_weights(height, image.shape[0], scale, dy)
    frames = rows @ image @ columns.transpose(0, 2, 1)
    return frames, np.floor(progress * saccade_us + 0.5).astype(np.int64)
