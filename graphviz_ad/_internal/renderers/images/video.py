"""Shots -> MP4 (H.264) and WebM (VP9) with PyAV, which brings its encoders along; no program on PATH is ever run.

A picture is coded once and then repeated, which costs next to nothing: in an MP4 30 times a second, since programs
that cut films and slides know no other pace, without asking the encoder again; in a WebM now and then, for players
that expect something to come.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.base.errors import MissingDependencyError, SaveError
from graphviz_ad._internal.base.needed_packages import broken
from graphviz_ad._internal.renderers.images.repeated_pictures import Repeater
from graphviz_ad._internal.renderers.images.shots import PixelBox, Pixels, Shot

Planes = NDArray[np.uint8]  # (3/2 height, width): all of the brightness, then a quarter of each colour difference
Chapters = Sequence[tuple[str, float, float]]  # titles, from when to when, in seconds
Spell = tuple[int, int]  # begin and length, in ticks of a clock

LONGEST_SIDE = 2**14
BT709, SRGB, LIMITED = 1, 13, 1  # of ISO/IEC 23091-2: colour matrix and primaries, transfer, range
THREADS = 4  # a fixed number, since it shows in the bytes


@dataclass(frozen=True)
class Codec:
    """How a kind of file is encoded."""

    suffix: str
    container: str
    name: str
    options: Mapping[str, str]
    ticks: int  # of the clock, a second
    pulse: int  # so many ticks after which a picture is repeated
    shortest: int  # so many ticks a picture lasts
    fresh: int = 0  # so many ticks after which a picture stands on its own; 0 where repeating is the encoder's work


# A constant quantiser and no filter across blocks: what is still stays still. No frames that refer to later ones: each
# is shown when it is read. One reference, which is what pictures that are repeated without the encoder need; a wide
# search in it finds where a number on its way was, and spares more bytes than more references do.
LEAN = "no-deblock=1:trellis=1:rc-lookahead=0:scenecut=0:weightp=0:ref=1:sliced-threads=0"
STEADY = {"qp": "26", "preset": "veryfast", "bf": "0", "g": "900", "x264-params": LEAN}
MP4 = Codec(".mp4", "mp4", "libx264", STEADY, ticks=30, pulse=1, shortest=1, fresh=900)
MOVING = replace(MP4, options={**STEADY, "x264-params": f"{LEAN}:me=umh:subme=2:merange=24:no-psy=1"})
STILL = {"crf": "18", "qmin": "18", "qmax": "18", "b": "0", "static-thresh": "2000", "tune-content": "screen"}
QUICK = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", **STILL}
WEBM = Codec(".webm", "webm", "libvpx-vp9", QUICK, ticks=1000, pulse=500, shortest=20)


def encode_mp4(shots: Iterable[Shot], *, chapters: Chapters = (), moving: bool = False) -> bytes:
    """The film as H.264 that every player, slide program and browser shows, with its index in front; ``moving``: there
    is more in it than pictures at rest.
    """
    return faststart(video(shots, MOVING if moving else MP4, chapters))


def encode_webm(shots: Iterable[Shot], *, chapters: Chapters = ()) -> bytes:
    """The film as VP9, for the web."""
    return video(shots, WEBM, chapters)


def video(shots: Iterable[Shot], codec: Codec, chapters: Chapters = ()) -> bytes:
    """The film in a container, without sound; an odd side is made even by repeating its last pixels. ``chapters`` are
    titles with the seconds from which to which they last.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise MissingDependencyError(
            "av",
            "video",
            f"a {codec.suffix} film",
            "or save as .gif, .webp, .png or .html, which need nothing more",
            broken(error, "av"),
        ) from error
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=codec.container, options={"fflags": "+bitexact"}) as container:
            if chapters and hasattr(container, "set_chapters"):  # older PyAV cannot
                container.set_chapters([_chapter(i, *chapter) for i, chapter in enumerate(chapters)])
            put: Any = None
            for planes, repeats in pulses(shots, codec):
                if put is None:
                    stream = _stream(container, codec, planes)
                    put = (Repeating if codec.fresh else Plain)(av, container, stream, codec)
                put.picture(_video_frame(av, planes), repeats)
            if put is None:
                raise ValueError("a film needs at least one picture; none was given")
            put.flush()
    except FFmpegError as error:
        raise SaveError(
            f"a {codec.suffix} film could not be encoded: {error}; save as .gif, .webp or .png instead"
        ) from error
    return file.getvalue()


def _chapter(number: int, title: str, start: float, end: float) -> Any:
    places = {"start": round(1000 * start), "end": round(1000 * end)}
    return {"id": number, "time_base": Fraction(1, 1000), "metadata": {"title": title}, **places}


def _stream(container: Any, codec: Codec, planes: Planes) -> Any:
    width, height = planes.shape[1], planes.shape[0] * 2 // 3
    if max(width, height) > LONGEST_SIDE:
        raise SaveError(
            f"a {codec.suffix} film can be {LONGEST_SIDE} pixels wide and high, not {width} x {height}; give a smaller"
            " scale="
        )
    clock = Fraction(1, codec.ticks)
    options = {**codec.options, "flags": "+bitexact"}
    stream = container.add_stream(codec.name, rate=codec.ticks // codec.pulse, options=options)
    stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, "yuv420p", clock
    context = stream.codec_context
    context.time_base, context.thread_count = clock, THREADS
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = BT709, BT709, SRGB, LIMITED
    return stream


def _video_frame(av: Any, planes: Planes) -> Any:
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = BT709, LIMITED
    return frame


class Plain:
    """Pictures -> a container, each coded as often as it is repeated."""

    def __init__(self, av: Any, container: Any, stream: Any, codec: Codec) -> None:
        self.av, self.container, self.stream, self.codec = av, container, stream, codec
        self.spells: dict[int, list[Spell]] = {}  # of packets to come, by when they begin

    def picture(self, frame: Any, repeats: Sequence[Spell]) -> None:
        """A picture, with when it is shown and for how long."""
        for spell in repeats:
            self.code(frame, [spell])

    def code(self, frame: Any, spells: Sequence[Spell]) -> None:
        """Let the encoder have it."""
        frame.pts = spells[0][0]
        self.spells[frame.pts] = list(spells)
        self.put(self.stream.encode(frame))

    def flush(self) -> None:
        """All that the encoder has kept back."""
        self.put(self.stream.encode())

    def put(self, packets: Iterable[Any]) -> None:
        """What the encoder has made."""
        for packet in packets:
            packet.duration = self.spells.pop(packet.pts)[0][1]  # or the last picture would have none
            self.container.mux(packet)


class Repeating(Plain):
    """The same, with each coded once and then repeated by us."""

    def __init__(self, av: Any, container: Any, stream: Any, codec: Codec) -> None:
        super().__init__(av, container, stream, codec)
        self.repeater: Repeater | None = None
        self.fresh = 0

    def picture(self, frame: Any, repeats: Sequence[Spell]) -> None:
        """A picture, which stands on its own where the last that does is long ago."""
        if repeats[0][0] - self.fresh >= self.codec.fresh:
            frame.pict_type, self.fresh = self.av.video.frame.PictureType.I, repeats[0][0]
        self.code(frame, repeats)

    def put(self, packets: Iterable[Any]) -> None:
        """What the encoder has made, each followed by its repetitions."""
        for packet in packets:
            self.repeater = self.repeater or repeater(self.av, self.stream, self.codec)
            spells = self.spells.pop(packet.pts)
            self.mux(self.repeater.coded(bytes(packet)), spells[0], key=packet.is_keyframe)
            for spell in spells[1:]:
                self.mux(self.repeater.repeated(), spell)

    def mux(self, data: bytes, spell: Spell, *, key: bool = False) -> None:
        """One picture of the file."""
        packet = self.av.Packet(data)
        packet.stream, packet.time_base, packet.is_keyframe = self.stream, self.stream.codec_context.time_base, key
        (packet.pts, packet.duration), packet.dts = spell, spell[0]
        self.container.mux(packet)


def repeater(av: Any, stream: Any, codec: Codec) -> Repeater:
    """What repeats pictures of a stream, learnt from what its encoder makes of a grey one that comes twice."""
    context = av.CodecContext.create(codec.name, "w")
    context.width, context.height, context.pix_fmt = stream.width, stream.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, codec.ticks), codec.ticks
    context.options, context.thread_count = {**codec.options, "flags": "+bitexact"}, THREADS
    grey = _video_frame(av, np.full((stream.height * 3 // 2, stream.width), 128, np.uint8))
    packets = []
    for grey.pts in range(2):
        packets += context.encode(grey)
    first, second = map(bytes, [*packets, *context.encode(None)])
    return Repeater(first, second)


def pulses(shots: Iterable[Shot], codec: Codec) -> Iterator[tuple[Planes, list[Spell]]]:
    """Each picture, with when it is shown and for how long, as often as it is repeated."""
    planes: Planes | None = None
    end, begin = 0.0, 0
    for shot in shots:
        planes = updated(planes, shot)
        end += shot.seconds * codec.ticks  # so that what is rounded off one picture is made good by the next
        after = max(round(end), begin + codec.shortest)
        edges = np.linspace(begin, after, 1 - (begin - after) // codec.pulse).round().astype(int).tolist()
        yield planes, [(start, until - start) for start, until in pairwise(edges)]
        begin = after


# Colours: RGB of the screen -> Y'CbCr of BT.709 in the limited range, colour differences for blocks of 2 x 2 pixels


def updated(planes: Planes | None, shot: Shot) -> Planes:
    """The planes of a shot, made from those of the one before where it changed."""
    height, width = (length + length % 2 for length in shot.pixels.shape[:2])
    if planes is None:
        planes = np.empty((height * 3 // 2, width), np.uint8)
        boxes: Iterable[PixelBox] = [(0, 0, width, height)]
    else:
        boxes = [
            (left & ~1, top & ~1, right + right % 2, bottom + bottom % 2) for left, top, right, bottom in shot.boxes
        ]
    differences = planes[height:].reshape(2, height // 2, width // 2)
    for left, top, right, bottom in boxes:
        block = even(shot.pixels[top:bottom, left:right]).astype(np.int32)
        planes[top:bottom, left:right] = luma(block)
        differences[:, top // 2 : bottom // 2, left // 2 : right // 2] = chroma(block)
    return planes


def even(pixels: Pixels) -> Pixels:
    """The picture with its last row and column again where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge") if height % 2 or width % 2 else pixels


def luma(block: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Brightness, 16 to 235."""
    red, green, blue = block[..., 0], block[..., 1], block[..., 2]
    result: NDArray[np.uint8] = ((11966 * red + 40254 * green + 4064 * blue + (33 << 15)) >> 16).astype(np.uint8)
    return result


def chroma(block: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Blue and red difference, 16 to 240, of blocks of four pixels."""
    four = block[0::2, 0::2] + block[0::2, 1::2] + block[1::2, 0::2] + block[1::2, 1::2]
    red, green, blue = four[..., 0], four[..., 1], four[..., 2]
    middle = 257 << 17  # 128, and half a step to round
    result = (
        np.stack([28784 * blue - 6596 * red - 22188 * green, 28784 * red - 26145 * green - 2639 * blue]) + middle >> 18
    )
    return result.astype(np.uint8)


# The file format: ISO/IEC 14496-12


def faststart(data: bytes) -> bytes:
    """An MP4 with its index ("moov") before the pictures ("mdat"), so that a browser can begin at once."""
    boxes = {name: (start, end) for name, start, end in _boxes(data, 0, len(data))}
    if not {b"moov", b"mdat"} <= set(boxes) or boxes[b"moov"][0] < boxes[b"mdat"][0]:
        return data
    (start, end), (pictures, _) = boxes[b"moov"], boxes[b"mdat"]
    index = bytearray(data[start:end])
    _shift(index, 8, len(index), len(index))
    return data[:pictures] + bytes(index) + data[pictures:start] + data[end:]


def _boxes(data: bytes | bytearray, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start < end:
        size, name = struct.unpack_from(">I4s", data, start)
        size = struct.unpack_from(">Q", data, start + 8)[0] if size == 1 else size or end - start
        yield name, start, start + size
        start += size


def _shift(index: bytearray, start: int, end: int, by: int) -> None:
    """Add to every place in the file that the index names; nothing is so large that it would need 64 bits."""
    for name, first, after in list(_boxes(index, start, end)):
        if name in (b"trak", b"mdia", b"minf", b"stbl"):
            _shift(index, first + 8, after, by)
        elif name == b"stco":
            count = struct.unpack_from(">I", index, first + 12)[0]
            places = struct.unpack_from(f">{count}I", index, first + 16)
            struct.pack_into(f">{count}I", index, first + 16, *(place + by for place in places))
