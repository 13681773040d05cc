"""Films as pixels: what was written is decoded again, and is the film; nothing moves; nothing half-written is ever
left.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import small_film
from needed_tools import needs_package
from PIL import Image

import graphviz_ad as gad
from graphviz_ad._internal.api.api import Animation
from graphviz_ad._internal.base.errors import (
    GraphvizADWarning,
    MissingDependencyError,
    OptionError,
    SaveError,
    UnknownNameError,
)
from graphviz_ad._internal.film.film_frames import film_frames
from graphviz_ad._internal.renderers.images.matplotlib_canvas import changing, pixels
from graphviz_ad._internal.renderers.images.shots import shots_of_pictures
from graphviz_ad._internal.renderers.images.video import MP4, WEBM, encode_mp4, encode_webm, faststart, pulses, video
from graphviz_ad._internal.renderers.images.webp import encode_webp
from graphviz_ad._internal.scene.film_frame import FOOT, HEAD
from graphviz_ad._internal.scene.paint import arrow_marks, arrow_words, box_marks, frame_fit, moved_marks, paint_frame
from graphviz_ad._internal.scene.themes import theme

av = needs_package("av")

POSTERS = (".gif", ".webp")  # begin on the complete picture
IMAGES, VIDEOS = (".gif", ".png", ".webp"), (".mp4", ".webm")
MOVING = IMAGES + VIDEOS
PULSES = {".mp4": (1 / 30, 1 / 60 + 1e-6), ".webm": (0.5, 0.002)}  # the longest time of a picture, and how exact it is


def colah(a, b):
    c = a + b
    d = b + 1
    e = c * d
    return e


@cache
def traced():
    return gad.trace(colah, 2, 1)


@cache
def film(look="light"):
    """A film that was placed by hand, of 16 steps; some of them follow at once, some restyle nearly everything."""
    return Animation(traced(), small_film.film(), theme(look))


@cache
def written(suffix, look="light"):
    """The bytes of the film."""
    from graphviz_ad._internal.output.format_table import FILMS

    return FILMS[suffix](film(look))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_kept():
    yield
    for kept in (written, truth, decoded):
        kept.cache_clear()


@lru_cache(maxsize=1)
def truth(look="light"):
    """Each frame, drawn on its own."""
    one = film(look)
    return [pixels(paint_frame(one.film, i), one.theme) for i in range(len(one.steps))]


# a film takes up to 100 MB; tests of one suffix run one after the other, since "suffix" is a parameter of the module
@lru_cache(maxsize=1)
def decoded(suffix, look="light"):
    """The pictures that a reader of the file sees, and the seconds of each."""
    found = decode(suffix, written(suffix, look))
    return without_poster(*found) if suffix in POSTERS else found


def decode(suffix, data):
    if suffix in VIDEOS:
        return decoded_video(data)
    image = Image.open(io.BytesIO(data))
    pictures, lengths = [], []
    for index in range(1 if getattr(image, "default_image", False) else 0, image.n_frames):
        image.seek(index)
        image.load()  # only then does a WebP tell how long it is shown
        pictures.append(np.asarray(image.convert("RGB")))
        lengths.append(image.info["duration"] / 1000)
    return pictures, lengths


def without_poster(pictures, lengths):
    """The pictures from the first step on, the last of which stays as long as it is seen each time."""
    return pictures[1:], [*lengths[1:-1], lengths[-1] + lengths[0]]


def decoded_video(data):
    """A picture that is shown again unchanged is the same array again."""
    times, pictures, before = [], [], None
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base))
            planes = frame.to_ndarray()
            if before is None or not np.array_equal(planes, before):
                shown = frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709").to_ndarray()
            pictures.append(shown)
            before = planes
        end = container.duration / av.time_base
    return pictures, np.diff([*times, end]).tolist()


def apart(one, other):
    """How far two pictures are apart, pixel by pixel and colour by colour."""
    return np.abs(one.astype(np.int16) - other)


# --- what was written is the film


@pytest.mark.parametrize("look", ["light", "dark"], scope="module")
@pytest.mark.parametrize("suffix", IMAGES, scope="module")
def test_each_frame_is_there_and_stays_as_long_as_the_film_says(suffix, look):
    pictures, lengths = decoded(suffix, look)
    assert len(pictures) == len(film().steps)
    assert lengths == pytest.approx([film().film.seconds(i) for i in range(len(pictures))], abs=0.005)
    for shown, drawn in zip(pictures, truth(look), strict=True):
        assert shown.shape == drawn.shape
        assert apart(shown, drawn).mean() < 0.2
        assert apart(shown, drawn).max() <= 40


@pytest.mark.parametrize("look", ["light", "dark"], scope="module")
@pytest.mark.parametrize("suffix", VIDEOS, scope="module")
def test_a_video_shows_each_frame_at_its_time(suffix, look):
    pictures, lengths = decoded(suffix, look)
    pulse, near = PULSES[suffix]
    assert max(lengths) <= pulse + 1e-9
    begins = np.cumsum([0, *lengths])
    assert begins[-1] == pytest.approx(film().duration, abs=near)
    begin = 0.0
    for i, drawn in enumerate(truth(look)):
        shown = pictures[int(np.searchsorted(begins, begin + near, "right")) - 1]
        late = pictures[int(np.searchsorted(begins, begin + film().film.seconds(i) - near - 0.01, "right")) - 1]
        assert min(abs(begins - begin)) < near, "a frame begins at its time"
        for picture in (shown, late):
            assert apart(picture, drawn).mean() < 2.5  # most of it is the rounding of the paper of the dark theme
        begin += film().film.seconds(i)


@pytest.mark.parametrize(("suffix", "codec", "container"), [(".mp4", "h264", "mp4"), (".webm", "vp9", "webm")])
def test_a_video_is_what_every_player_takes(suffix, codec, container):
    with av.open(io.BytesIO(written(suffix))) as file:
        stream, *others = file.streams
        assert [other.type for other in others] == (["data"] if suffix == ".mp4" else [])  # the titles of the chapters
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["forward", "backward"]
        assert container in file.format.name
        assert (stream.type, stream.codec_context.name, stream.pix_fmt) == ("video", codec, "yuv420p")
        assert (stream.width, stream.height) == (1280, 720)
        # BT.709, limited
        assert (int(stream.codec_context.colorspace), int(stream.codec_context.color_range)) == (1, 1)
        assert file.duration / av.time_base == pytest.approx(film().duration, abs=PULSES[suffix][1])


def test_an_mp4_shows_thirty_pictures_a_second_at_next_to_no_cost():
    _, lengths = decoded(".mp4")
    assert lengths == pytest.approx([1 / 30] * round(30 * film().duration), abs=1e-6)
    with av.open(io.BytesIO(written(".mp4"))) as file:
        assert file.streams.video[0].average_rate == 30
        sizes = sorted(packet.size for packet in file.demux(video=0))
    assert len(sizes) > 20 * len(film().steps)
    assert np.median(sizes) < 60  # bytes


def test_an_mp4_begins_with_its_index():
    data, names, at = written(".mp4"), [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        names.append(name)
        at += size
    assert at == len(data)
    assert names.index(b"moov") < names.index(b"mdat")
    assert faststart(data) == data


@pytest.mark.parametrize("suffix", MOVING, scope="module")
def test_colours_are_those_of_the_theme(suffix):
    picture = decoded(suffix)[0][-1]
    paper, ink = (np.array(list(bytes.fromhex(theme("light")[role][1:]))) for role in ("paper", "badge"))
    assert apart(picture[300, 5], paper).max() <= (1 if suffix in VIDEOS else 0)
    assert apart(picture, ink).max(axis=2).min() <= 2


@pytest.mark.parametrize("suffix", MOVING, scope="module")
def test_all_end_on_the_complete_picture_which_stays(suffix):
    pictures, lengths = decoded(suffix)
    assert apart(pictures[-1], truth()[-1]).mean() < 1.0
    if suffix in IMAGES:
        assert (lengths[0], lengths[-1]) == (1.5, 3.0)


@pytest.mark.parametrize("suffix", POSTERS)
def test_who_shows_the_first_picture_alone_shows_the_complete_one(suffix):
    pictures, lengths = decode(suffix, written(suffix))
    assert apart(pictures[0], truth()[-1]).mean() < 0.2
    assert np.array_equal(pictures[0], pictures[-1])
    assert (lengths[0], lengths[-1]) == (1.0, 2.0)


def test_who_knows_no_animated_png_sees_the_complete_picture():
    with Image.open(io.BytesIO(written(".png"))) as image:
        assert image.default_image
        assert apart(np.asarray(image.convert("RGB")), truth()[-1]).mean() < 0.2
        assert image.text["Description"] == film().film.stage.alt


# --- nothing moves


def places(index):
    """Where pixels may differ from the frame before: the boxes and arrows that the step touches, title line, caption
    and progress bar.
    """
    allowed = np.zeros((720, 1280), bool)
    allowed[: int(HEAD)], allowed[int(720 - FOOT) :] = True, True
    one = film().film
    fit = frame_fit(one.stage, one.size)
    for scene in (one.scene(index - 1), one.scene(index)):
        touched = {change.key for change in one.steps[index].changes}
        marks = [mark for box in scene.boxes if box.key in touched for mark in moved_marks(box_marks(box), *fit)]
        for arrow in scene.arrows:
            if arrow.key in touched:
                marks += moved_marks([*arrow_marks(arrow), *arrow_words(arrow)], *fit)
        for mark in marks:
            rows, columns = bounds(mark)
            allowed[rows, columns] = True
    return allowed


def bounds(mark):
    if hasattr(mark, "points"):
        (left, top), (right, bottom) = np.min(mark.points, axis=0), np.max(mark.points, axis=0)
    elif hasattr(mark, "size"):
        reach = mark.size * max(len(mark.text), 1)
        left, top, right, bottom = mark.x - reach, mark.y - 1.2 * mark.size, mark.x + reach, mark.y + 0.5 * mark.size
    else:
        left, top, right, bottom = mark.x, mark.y, mark.x + mark.width, mark.y + mark.height
    near = getattr(mark, "line", 0) + 2
    return slice(max(int(top - near), 0), int(bottom + near) + 2), slice(
        max(int(left - near), 0), int(right + near) + 2
    )


@pytest.mark.parametrize("suffix", IMAGES, scope="module")
def test_between_two_frames_only_what_a_step_touches_differs(suffix):
    pictures, _ = decoded(suffix)
    for index in range(1, len(pictures)):
        differs = (pictures[index] != pictures[index - 1]).any(axis=2)
        assert differs.any(), "each step changes something, at least the counter"
        assert not (differs & ~places(index)).any(), index


@pytest.mark.parametrize("suffix", VIDEOS, scope="module")
def test_in_a_video_the_rest_does_not_even_shimmer(suffix):
    pictures, lengths = decoded(suffix)
    ends = np.cumsum([film().film.seconds(i) for i in range(len(film().steps))])
    steps = np.searchsorted(ends, np.cumsum([0, *lengths[:-1]]) + 0.001, "right")
    for before, after, old, new in zip(pictures, pictures[1:], steps, steps[1:], strict=False):
        if after is before:
            continue
        difference = apart(after, before).max(axis=2)
        if old != new:
            difference[widened(places(int(new)), 16)] = 0  # a codec works in blocks
        assert np.count_nonzero(difference > 6) < 1000  # of 921,600
        assert difference.mean() < 0.1


def widened(mask, reach):
    """The mask and everything at most ``reach`` pixels away from it, along the axes."""
    padded = np.pad(mask, reach)
    rows = np.cumsum(padded, axis=0)
    tall = rows[2 * reach :] - np.vstack([np.zeros((1, rows.shape[1]), int), rows[: -2 * reach - 1]]) > 0
    columns = np.cumsum(tall, axis=1)
    return columns[:, 2 * reach :] - np.hstack([np.zeros((columns.shape[0], 1), int), columns[:, : -2 * reach - 1]]) > 0


# --- frames are made from the ones before


def test_frames_made_one_after_the_other_are_those_made_each_on_its_own():
    one = film().film
    made = list(film_frames(one))
    assert made == [paint_frame(one, i) for i in range(len(one.steps))]
    assert list(film_frames(one, (640, 480))) == [paint_frame(one, i, (640, 480)) for i in range(len(one.steps))]


def test_what_stays_is_the_same_object_from_frame_to_frame():
    made = list(film_frames(film().film))
    again = [
        sum(any(mark is old for old in before.marks) for mark in after.marks) / len(after.marks)
        for before, after in pairwise(made)
    ]
    assert np.median(again) > 0.8


def test_a_step_redraws_a_small_part_of_the_picture():
    areas = []
    for _, boxes in changing(film_frames(film().film), theme("light")):
        areas.append(sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) / (1280 * 720))
    assert areas[0] == 1.0
    assert np.median(areas) < 0.15


# --- bytes


@pytest.mark.parametrize("suffix", MOVING, scope="module")
def test_the_same_film_has_the_same_bytes(suffix):
    from graphviz_ad._internal.output.format_table import FILMS

    assert FILMS[suffix](replace(film(), theme=theme("light"))) == written(suffix)


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize(
    ("suffix", "most"),
    [(".gif", 215_000), (".mp4", 170_000), (".png", 220_000), (".webp", 170_000), (".webm", 200_000)],
)
def test_a_classroom_film_is_small_and_its_motion_costs_little(suffix, most, look, tmp_path):
    still, moving = (
        traced().animate(theme=look, motion=motion).save(tmp_path / f"colah{motion}{suffix}").stat().st_size
        for motion in (False, True)
    )
    assert still <= most
    assert still < moving <= min(3 * still, {".gif": 600_000, ".mp4": 250_000}.get(suffix, 3 * most))


# --- options


def test_speed_and_aspect_are_kept(tmp_path):
    fast = traced().animate(speed=2, aspect="4:3")
    pictures, lengths = without_poster(*decode(".gif", fast.save(tmp_path / "f.gif").read_bytes()))
    assert pictures[0].shape == (720, 960, 3)
    assert sum(lengths) == pytest.approx(traced().animate().duration / 2, abs=0.01 * len(lengths))
    with av.open(str(fast.save(tmp_path / "f.mp4"))) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (960, 720)
        assert file.duration / av.time_base == pytest.approx(fast.duration, abs=PULSES[".mp4"][1])


@pytest.mark.parametrize("suffix", MOVING, scope="module")
def test_scale_makes_more_pixels_of_the_same_film(suffix, tmp_path):
    pictures, _ = decode(suffix, film().save(tmp_path / f"f{suffix}", scale=0.5).read_bytes())
    assert pictures[0].shape == (360, 640, 3)


@pytest.mark.parametrize(("loop", "repeats"), [(0, 0), (1, 1), (3, 3)])
def test_it_plays_as_often_as_asked(loop, repeats, tmp_path):
    small = {"scale": 0.25, "loop": loop}
    for suffix in (".png", ".webp"):
        with Image.open(film().save(tmp_path / f"f{suffix}", **small)) as image:
            assert image.info["loop"] == repeats


WRONG = {
    "an unknown option": (
        lambda p: film().save(p / "f.gif", fps=10),
        OptionError,
        r"Animation\.save\(\) has no option 'fps'\. Choose from: format, loop",
    ),
    "a loop in a video": (
        lambda p: film().save(p / "f.mp4", loop=1),
        OptionError,
        r"loop=1 is no option of \.mp4; its options are scale",
    ),
    "half a time": (lambda p: film().save(p / "f.gif", loop=0.5), OptionError, "loop=0.5 is no number of times"),
    "no scale": (lambda p: film().save(p / "f.webp", scale=0), OptionError, "scale=0 is no scale for a film"),
    "an odd aspect": (
        lambda p: traced().animate(aspect="21:9"),
        UnknownNameError,
        r"no aspect named '21:9'.*16:9, 4:3",
    ),
    "a huge WebP": (
        lambda p: encode_webp(shots_of_pictures(tiny(16, 16_384), [1, 1, 1])),
        SaveError,
        "16383 pixels wide and high, not 16384 x 16; give a smaller scale=",
    ),
    "a huge MP4": (
        lambda p: encode_mp4(shots_of_pictures(tiny(16, 16_386), [1, 1, 1])),
        SaveError,
        "16384 pixels wide and high, not 16386 x 16; give a smaller scale=",
    ),
    "no folder": (lambda p: film().save(p / "none" / "f.mp4"), SaveError, "does not exist; create it first"),
    "no folder for frames": (lambda p: film().save(f"{p}/none/frames/"), SaveError, "does not exist; create it first"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_explained_and_leaves_nothing(case, tmp_path):
    call, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def tiny(height, width, count=3):
    """A few pictures in which a square wanders."""
    pictures = []
    for i in range(count):
        picture = np.full((height, width, 3), 255, np.uint8)
        picture[2 + i : 8 + i, 3 + 2 * i : 9 + 2 * i] = (0, 103, 159)
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize(("height", "width"), [(63, 101), (64, 100), (63, 100), (64, 101)])
@pytest.mark.parametrize(("encode", "suffix"), [(encode_mp4, ".mp4"), (encode_webm, ".webm")])
def test_an_odd_side_is_made_even_by_repeating_the_last_pixels(encode, suffix, height, width):
    pictures, lengths = decode(suffix, encode(shots_of_pictures(tiny(height, width), [0.3, 0.3, 0.3])))
    assert pictures[0].shape == (height + height % 2, width + width % 2, 3)
    assert sum(lengths) == pytest.approx(0.9, abs=0.001)
    for shown, drawn in zip(pictures[:: len(pictures) // 3], tiny(height, width), strict=True):
        assert np.abs(shown[:height, :width] - drawn.astype(np.int16)).mean() < 3


@pytest.mark.parametrize("codec", [MP4, WEBM])
def test_a_video_of_one_picture_and_of_none(codec):
    pictures, lengths = decode(codec.suffix, video(shots_of_pictures(tiny(32, 32, 1), [2.0]), codec))
    assert sum(lengths) == pytest.approx(2.0, abs=0.002)
    assert len(pictures) == {".mp4": 60, ".webm": 4}[codec.suffix]
    with pytest.raises(ValueError, match="at least one picture"):
        video(iter(()), codec)


@pytest.mark.parametrize(("codec", "seconds"), [(MP4, 1.3 + 0.001 + 0.5 + 0.7004), (WEBM, 1.3 + 0.5 + 0.7004 + 0.001)])
def test_pulses_fill_the_time_without_gaps(codec, seconds):
    shots = shots_of_pictures(tiny(32, 32, 4), [1.3, 0.001, 0.5, 0.7004])
    spells = [spell for _, some in pulses(shots, codec) for spell in some]
    assert spells[0][0] == 0
    assert all(begin + length == after for (begin, length), (after, _) in pairwise(spells))
    assert sum(length for _, length in spells) == round(codec.ticks * seconds)
    assert 0 < max(length for _, length in spells) <= codec.pulse
    assert len([some for _, some in pulses(shots_of_pictures(tiny(32, 32, 4), [0.001] * 4), codec) if some]) == 4


# --- what is not installed


def test_without_the_video_extra_an_error_says_what_to_do_and_what_can_be_made(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "f.mp4").write_bytes(b"old")
    with pytest.raises(
        MissingDependencyError,
        match=r"a \.mp4 film needs the package 'av'.*pip install 'graphviz-ad\[video\]'; or save as \.gif, \.webp",
    ):
        film().save(tmp_path / "f.mp4")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f.mp4": b"old"}


def test_without_it_a_whole_set_is_written_but_for_the_video(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.warns(GraphvizADWarning, match=r"lec4\.\w+ is left out: .*graphviz-ad\[video\]") as told:
        paths = film().save_all(tmp_path / "lec4")
    assert [re.findall(r"lec4\.\w+", str(one.message)) for one in told] == [["lec4.mp4"], ["lec4.webm"]]
    assert {".gif", ".png", ".html"} <= {path.suffix for path in paths}
    assert not (tmp_path / "lec4.mp4").exists()
    assert all(path.is_file() for path in paths)


def test_a_whole_set_has_one_name(tmp_path):
    paths = film().save_all(tmp_path / "lec4.1")
    assert {path.name for path in paths} >= {f"lec4.1{suffix}" for suffix in (".gif", ".png", ".mp4", ".html")}
    assert all(path.parent == tmp_path and path.is_file() for path in paths)


# --- a folder of frames


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_name_that_ends_in_a_slash_is_a_folder_of_numbered_frames(tmp_path):
    folder = film().save(f"{tmp_path}/frames/")
    count = len(film().steps)
    assert folder == tmp_path / "frames"
    assert names(folder) == [*(f"frame-{i:02}.png" for i in range(1, count + 1)), "frames.ffconcat"]
    with Image.open(folder / "frame-07.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), truth()[6])
    listed = (folder / "frames.ffconcat").read_text("ascii").splitlines()
    assert listed[:3] == ["ffconcat version 1.0", "file frame-01.png", "duration 1.500"]
    assert sum(float(line.split()[1]) for line in listed if line.startswith("duration")) == pytest.approx(
        film().duration, abs=0.01
    )
    assert names(tmp_path) == ["frames"]


def test_each_step_is_a_clip_that_ends_on_its_still(tmp_path):
    short = replace(film(), film=replace(film().film, steps=film().steps[:4]))
    folder = short.save_slides(tmp_path / "clips")
    listed = json.loads((folder / "step-clips.json").read_text("utf-8"))
    files = [name for one in listed["slides"] for name in (one["movie"], one["still"])]
    assert names(folder) == sorted([*files, "step-clips.json"])
    assert listed["size"] == list(short.film.size)
    for i, one in enumerate(listed["slides"]):
        pictures, times = decoded_video((folder / one["movie"]).read_bytes())
        assert len(times) / 30 == pytest.approx(short.film.seconds(i), abs=0.05)
        assert one["seconds"] == pytest.approx(short.film.seconds(i), abs=1e-3)
        assert one["caption"] == list(short.steps[i].said)
        with Image.open(folder / one["still"]) as image:
            still = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(still, pixels(paint_frame(short.film, i), short.theme))
        assert np.abs(pictures[-1].astype(int) - still).mean() < 1.5


def test_frames_replace_those_of_an_earlier_film_and_nothing_else(tmp_path):
    film().save(f"{tmp_path}/frames/", scale=0.25)
    short = replace(film(), film=replace(film().film, steps=film().steps[:3]))
    short.save(tmp_path / "frames", scale=0.25)
    assert names(tmp_path / "frames") == ["frame-1.png", "frame-2.png", "frame-3.png", "frames.ffconcat"]
    (tmp_path / "frames" / "notes.txt").write_text("mine")
    with pytest.raises(SaveError, match=r"it holds other files, such as 'notes.txt'; give a new folder"):
        short.save(tmp_path / "frames")
    assert "notes.txt" in names(tmp_path / "frames")


# --- interrupted and failed


@pytest.fixture
def small_disk(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("suffix", MOVING, scope="module")
def test_a_full_disk_leaves_the_old_film(small_disk, suffix):
    (small_disk / f"f{suffix}").write_bytes(b"old")
    with pytest.raises(SaveError, match="No space left on device; free some space"):
        film().save(small_disk / f"f{suffix}")
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == {f"f{suffix}": b"old"}


def test_a_full_disk_leaves_the_old_frames(small_disk):
    short = replace(film(), film=replace(film().film, steps=film().steps[:3]))
    short.save(f"{small_disk}/frames/", scale=0.1)
    before = names(small_disk / "frames")
    with pytest.raises(SaveError, match="No space left on device; free some space") as caught:
        film().save(f"{small_disk}/frames/")
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert names(small_disk) == ["frames"]
    assert names(small_disk / "frames") == before


def test_a_read_only_disk_is_said(small_disk):
    (small_disk / "f.mp4").write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("f.mp4", "f.gif", "frames/"):
        with pytest.raises(SaveError, match="choose a folder that is not read-only"):
            film().save(f"{small_disk}/{name}", scale=0.1)
    assert names(small_disk) == ["f.mp4"]


def test_a_limit_on_the_size_of_files_leaves_the_old_film(tmp_path):
    (tmp_path / "f.gif").write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(SaveError, match=r"File too large; choose another disk, or ask for a higher limit"):
            film().save(tmp_path / "f.gif")
        with pytest.raises(SaveError, match="File too large"):
            film().save(f"{tmp_path}/frames/")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f.gif": b"old"}


SLOWLY = """
import signal, sys
from dataclasses import replace
sys.path.insert(0, sys.argv[2])
import small_film
from graphviz_ad._internal.api.api import Animation
from graphviz_ad._internal.base.progress import Progress
from graphviz_ad._internal.scene.themes import theme
short = small_film.film()
long = replace(short, steps=short.steps * 100)
tell = Progress.tell

def tell_parent(self):
    if self.done == 3:
        print("under way", flush=True)
    tell(self)

Progress.tell = tell_parent
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would we
Animation(None, long, theme("light")).save(sys.argv[1])
"""


@pytest.mark.parametrize("name", ["f.gif", "f.mp4", "f.png", "frames/"])
def test_ctrl_c_leaves_the_old_film_and_nothing_else(tmp_path, name):
    old = Animation(traced(), replace(film().film, steps=film().steps[:2]), theme("light")).save(
        f"{tmp_path}/{name}", scale=0.1
    )
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    command = [sys.executable, "-c", SLOWLY, f"{tmp_path}/{name}", str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"under way\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in said
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == [old.name]


# --- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_long_film_says_how_far_it_is_and_wipes_that_out(monkeypatch, tmp_path):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("graphviz_ad._internal.base.progress.PATIENCE", 0.0)
    monkeypatch.setattr("graphviz_ad._internal.base.progress.RHYTHM", 0.0)
    film().save(tmp_path / "f.gif", scale=0.25)
    lines = terminal.getvalue().split("\r")
    count = len(film().steps) + 1  # it begins on the finished picture
    assert lines[1] == f"film: frame 1 of {count}"
    assert lines[-3] == f"film: frame {count} of {count}"
    assert lines[-2].strip() == lines[-1] == ""


def test_a_short_film_says_nothing_and_neither_does_any_where_nobody_looks(monkeypatch, tmp_path, capsys):
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        film().save(tmp_path / "f.gif", scale=0.1)
    assert terminal.getvalue() == ""
    monkeypatch.setattr("graphviz_ad._internal.base.progress.PATIENCE", 0.0)
    film().save(tmp_path / "f.gif", scale=0.1)
    assert capsys.readouterr().err == ""


TENTHS = """
from itertools import count
from graphviz_ad._internal.base import progress
clock = map(0.125.__mul__, count())
progress.monotonic = lambda: now
now = next(clock)
with progress.Progress("film: frame", 15) as told:
    for _ in told.over(range(15)):
        now = next(clock)  # a frame takes an eighth of a second
"""


def test_a_real_terminal_sees_it_after_a_second():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", TENTHS], stderr=theirs) as child:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 1000):
                said += part
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(ours)
    assert child.returncode == 0
    numbers = [int(word.split()[2]) for word in said.decode().split("\r") if word.startswith("film: ")]
    assert numbers == [9, 10, 11, 12, 13, 14, 15]
    assert said.endswith(b" \r")
