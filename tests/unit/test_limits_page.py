"""docs/limits.md says what holds: every row is tried by a test, and every number on it is that of the code."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from longspike._core import limits

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "limits.md"

TRIED = {
    "`UNPACKED_FREE_BYTES`": "events/test_limits.py::test_npz_bombs",
    "`LARGEST_RATIO`": "events/test_limits.py::test_so_many_bytes_for_each_of_the_file",
    "`LARGEST_PACKET_BYTES`": "events/test_limits.py::test_a_header_or_a_packet_of_aedat4_that_says_too_much",
    "`LARGEST_CHUNK_BYTES`": "events/test_limits.py::test_hdf5_bombs",
    "`LARGEST_ENTRY_BYTES`": "events/test_limits.py::test_npz_bombs",
    "`LARGEST_HEADER_BYTES`": "events/test_limits.py::test_a_header_or_a_packet_of_aedat4_that_says_too_much",
    "`LARGEST_AEDAT_HEADER_BYTES`": "events/test_limits.py::test_a_header_of_text_is_bounded",
    "`LARGEST_PROPHESEE_HEADER_BYTES`": "events/test_limits.py::test_a_header_of_text_is_bounded",
    "`LARGEST_LINE_BYTES`": "events/test_limits.py::test_a_line_of_text_is_bounded",
    "`LARGEST_TABLE_BYTES`": "data/test_own_tables.py::test_tables_have_bounds",
    "`LARGEST_TABLE_CELL`": "data/test_own_tables.py::test_tables_have_bounds",
    "`LARGEST_PICKLE_BYTES`": "data/test_archive.py::test_a_pickle_that_repeats_a_text_is_bounded",
    "`LARGEST_TEXT`": "data/test_pairs.py::test_a_text_may_be_so_long",
    "`HIGHEST_RATE_HZ`": "events/test_limits.py::test_sound_that_says_too_much",
    "`LARGEST_FILTERBANK`": "events/test_limits.py::test_sound_that_says_too_much",
    "`MOST_AXES`": "data/test_archive.py::test_idx_shapes_that_no_array_has",
    "`LARGEST_LENGTH`": "events/test_limits.py::test_npy_headers_that_are_none",
    "`MOST_LINKS`": "events/test_limits.py::test_hdf5_soft_links_within_a_file_are_followed",
    "a side of a sensor": "unit/test_limits.py::test_configurations",
    "a side of a sensor in EVT2 and EVT3 that are written": "events/test_writing.py::test_events_that_are_refused",
    "a side of a sensor in the header of AEDAT4": "events/test_limits.py::test_sides_in_the_header_of_aedat4",
    "a time": "unit/test_limits.py::test_times_of_events",
    "times that `scale_time` makes": "unit/test_limits.py::test_times_that_are_scaled",
    "a time in a file whose faults are skipped": "events/test_screening.py::test_one_far_time_is_left_out_alone",
    "config.json": "unit/test_limits.py::test_the_size_of_a_configuration",
    "the shapes that config.json asks for": "unit/test_limits.py::"
    "test_the_largest_network_takes_no_memory_if_its_weights_are_not_there",
    "the dtype of weights": "unit/test_limits.py::test_the_dtype_of_weights",
    "`d_model`, `channels`, `num_branches`, `num_heads`": "unit/test_limits.py::test_configurations",
    "`d_state`": "unit/test_limits.py::test_configurations",
    "`num_layers`, `num_fronts`": "unit/test_limits.py::test_configurations",
    "`d_input`, `num_outputs`": "unit/test_limits.py::test_configurations",
    "`rank` of SA-HiPPO": "unit/test_limits.py::test_heads_and_layers",
    "`kernel` of a dendritic convolution": "unit/test_limits.py::test_configurations",
    "`stride`, `pool`, `downsample`": "unit/test_limits.py::test_configurations",
    "`window` of the read-out": "unit/test_limits.py::test_configurations",
    "`step_us`": "unit/test_limits.py::test_configurations",
    "the weights of a network that a recipe builds": "unit/test_limits.py::test_the_memory_of_the_machine",
    "memory of a stream": "unit/test_event_stream.py::test_memory_does_not_grow",
    "one step of the clock that is believed (`max_gap_us`)": "streaming/test_clock.py::test_the_largest_gap_is_a_choice",
    "a number in a saved state": "streaming/test_restore.py::test_no_field_is_believed_unseen",
    "threads of a stream": "unit/test_event_stream.py::test_what_cannot_be_streamed",
    "`--check` of a stream of steps": "cli/test_stream.py::test_a_comparison_with_the_whole_is_bounded",
    "`--check` of a stream of events": "streaming/test_feeding.py::test_events_are_counted_and_compared",
    "a line of stdin": "streaming/test_sources.py::test_lines_that_are_too_long_are_cut_where_the_bound_says",
    "`training.seed`": "unit/test_limits.py::test_configurations",
    "`training.num_threads`": "unit/test_limits.py::test_configurations",
}
"""By the first cell of a row: a test that fails where the bound is another or is not kept."""

NUMBERS = {
    "a side of a sensor": "events.record.LARGEST_SIDE",
    "a side of a sensor in EVT2 and EVT3 that are written": "events.formats.evt.LARGEST_SIDE",
    "times that `scale_time` makes": "events.transforms.LONGEST_SCALED_US",
    "config.json": "models.checkpoint.LARGEST_CONFIG",
    "`d_model`, `channels`, `num_branches`, `num_heads`": "models.config.LARGEST_WIDTH",
    "`d_state`": "models.config.LARGEST_STATE",
    "`num_layers`, `num_fronts`": "models.config.LARGEST_DEPTH",
    "`d_input`, `num_outputs`": "models.config.LARGEST_ENDS",
    "`rank` of SA-HiPPO": "ssm.sa_hippo.LARGEST_RANK",
    "`kernel` of a dendritic convolution": "models.flames_config.LARGEST_KERNEL",
    "`window` of the read-out": "models.flames_config.LARGEST_WINDOW",
    "`step_us`": "events.record.LATEST_TIME_US",
    "a number in a saved state": "streaming.remembered.LARGEST",
    "threads of a stream": "kernels.native.MOST_THREADS",
    "`--check` of a stream of steps": "streaming.comparing.LARGEST_SEQUENCE_BYTES",
    "`--check` of a stream of events": "streaming.comparing.LARGEST_RECORDING",
    "a line of stdin": "streaming.step_source.LINE_CHARACTERS",
    "`training.num_threads`": "kernels.native.MOST_THREADS",
}
"""By the first cell of a row: the constant that its number is."""
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1_000_000, "ms": 1000}


def rows() -> Iterator[tuple[str, str]]:
    """The first two cells of every row of the page's tables, without the lines that name the columns."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not line.startswith("|-") and not following.startswith("|-"):
            name, value, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            yield name, value


def number(cell: str) -> int:
    """The number that a cell begins with, in bytes or microseconds where it has a unit."""
    base, power, unit = re.match(r"([\d,]+)(?:\^(\d+))?(?: (\w+))?", cell).groups()
    return int(base.replace(",", "")) ** int(power or 1) * UNITS.get(unit or "", 1)


def test_numbers_are_read() -> None:
    assert [number(cell) for cell in ("2^27", "1,024", "10 s, unless", "64 KiB")] == [1 << 27, 1024, 10**7, 1 << 16]


def test_every_bound_of_a_file_is_on_the_page() -> None:
    constants = {f"`{name}`": value for name, value in vars(limits).items() if name.isupper()}
    found = {name: number(value) for name, value in rows() if re.fullmatch("`[A-Z_]+`", name)}
    assert found == constants


def test_every_row_is_tried() -> None:
    names = [name for name, _ in rows()]
    assert len(set(names)) == len(names)
    assert set(names) == set(TRIED)
    lost = [
        place
        for place in TRIED.values()
        if f"def {place.partition('::')[2]}(" not in (TESTS / place.partition("::")[0]).read_text(encoding="utf-8")
    ]
    assert not lost


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_on_the_page_is_that_of_the_code(name: str) -> None:
    module, _, constant = NUMBERS[name].rpartition(".")
    assert number(dict(rows())[name]) == getattr(import_module(f"longspike.{module}"), constant)


def test_times_that_are_far() -> None:
    from longspike.events.screening import FAR_US
    from longspike.streaming.event_stream import MAX_GAP_US

    page = dict(rows())
    assert number(page["a time in a file whose faults are skipped"]) == FAR_US
    assert number(page["one step of the clock that is believed (`max_gap_us`)"]) == MAX_GAP_US
