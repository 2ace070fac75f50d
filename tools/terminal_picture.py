"""Record a command in a terminal and write it as an animated GIF: `make recording`.

The command runs in a pseudo-terminal; what the screen shows is drawn as often as FRAMES_PER_SECOND
of the picture asks for, with time passing SPEED times as fast. Nothing is typed in or edited.
"""

import argparse
import codecs
import fcntl
import os
import pty
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pyte
from PIL import Image, ImageColor, ImageDraw, ImageFont

from loan_default.sandbox.local_stack import ROOT

COLUMNS, LINES = 100, 39
FONT_SIZE, MARGIN = 13, 12
SPEED, FRAMES_PER_SECOND, SECONDS_AT_THE_END = 12, 5, 8
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
BACKGROUND, FOREGROUND = "#101418", "#d6dbe0"
COLOURS = {"default": FOREGROUND, "green": "#5fd38d", "red": "#ff6b6b", "cyan": "#59c9e6"}
COLOURS |= {"blue": "#6ea8fe", "magenta": "#d58bea", "brown": "#e6c35c"}

Screen = list[list[pyte.screens.Char]]


def record(command: str) -> Iterator[tuple[float, Screen]]:
    """Run a command of the shell in a terminal and yield its screens with their seconds.

    Raises SystemExit if the command fails.
    """
    screen = pyte.Screen(COLUMNS, LINES)
    stream, decode = pyte.Stream(screen), codecs.getincrementaldecoder("utf-8")("replace")
    process, terminal = pty.fork()
    if not process:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}
        # The shell prints the command itself, behind the prompt
        os.execvp("bash", ["bash", "-c", f"PS4='$ '; set -x; {command}"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    began, last = time.monotonic(), -1.0
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # so ends a terminal that nobody writes to any more
            break
        stream.feed(decode.decode(data))
        now = time.monotonic() - began
        if now - last >= SPEED / FRAMES_PER_SECOND:
            last = now
            yield now, rows(screen)
    yield time.monotonic() - began, rows(screen)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code:
        raise SystemExit(f"{command} ended with exit code {code}")


def rows(screen: pyte.Screen) -> Screen:
    """Copy what the screen shows."""
    return [[screen.buffer[line][column] for column in range(COLUMNS)] for line in range(LINES)]


class Pen:
    """Draw screens with a fixed-width font."""

    def __init__(self) -> None:
        self._fonts = {
            bold: ImageFont.truetype(str(FONTS / name), FONT_SIZE)
            for bold, name in ((False, "DejaVuSansMono.ttf"), (True, "DejaVuSansMono-Bold.ttf"))
        }
        # Has the spinner's characters, which the fixed-width font lacks
        self._other = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), FONT_SIZE)
        self._width = round(self._fonts[False].getlength("M"))
        self._height = FONT_SIZE + 4

    def draw(self, screen: Screen) -> Image.Image:
        """Return the picture of a screen in few colours."""
        size = (COLUMNS * self._width + 2 * MARGIN, LINES * self._height + 2 * MARGIN)
        image = Image.new("RGB", size, BACKGROUND)
        draw = ImageDraw.Draw(image)
        for line, cells in enumerate(screen):
            for column, cell in enumerate(cells):
                if cell.data.strip():
                    at = (MARGIN + column * self._width, MARGIN + line * self._height)
                    spinner = "\u2800" <= cell.data <= "\u28ff"
                    font = self._other if spinner else self._fonts[cell.bold]
                    colour = COLOURS.get(cell.fg, FOREGROUND)
                    draw.text(at, cell.data, font=font, fill=colour)
        return image


def save(frames: list[tuple[float, Screen]], path: Path) -> None:
    """Write frames, each with its second of the recording, as an animated GIF."""
    pen, palette = Pen(), _palette()
    ends = [second for second, _ in frames[1:]]
    shown = [
        round(1_000 * (end - begin) / SPEED) for (begin, _), end in zip(frames, ends, strict=False)
    ]
    first, *others = [
        pen.draw(screen).quantize(palette=palette, dither=Image.Dither.NONE) for _, screen in frames
    ]
    durations = [*shown, SECONDS_AT_THE_END * 1_000]
    path.parent.mkdir(parents=True, exist_ok=True)
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def _palette() -> Image.Image:
    """Return every colour of text in seven shades, from the background to the text."""
    ends = [ImageColor.getrgb(text) for text in COLOURS.values()]
    start = ImageColor.getrgb(BACKGROUND)
    shades = [
        round(one + (other - one) * step / 6)
        for end in ends
        for step in range(7)
        for one, other in zip(start, end, strict=True)
    ]
    image = Image.new("P", (1, 1))
    image.putpalette(shades)
    return image


def main() -> None:
    """Record the command and write its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", default="make demo")
    parser.add_argument("--path", type=Path, default=ROOT / "docs" / "images" / "demo.gif")
    flags = parser.parse_args()
    save(list(record(flags.command)), flags.path)
    print(f"{flags.path}: {flags.path.stat().st_size / 1_000:.0f} kB")


if __name__ == "__main__":
    main()
