"""What several test files need: a browser that must not be surprised, and an account of tools that are missing and
of memory.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from needed_tools import ToolMissing, needs_package, needs_tool

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]


# on a busy machine, what is seen at once may be what was there before the colours of the scheme were
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
Launch = Callable[..., Any]

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing about the code
# every run of the suite meets the same examples, so that it says something about the change; `make fuzz` looks for new
# ones
settings.register_profile("the same examples", deadline=None, derandomize=True)
settings.load_profile("any machine" if os.environ.get("FUZZ") else "the same examples")


@pytest.fixture(scope="module")  # not longer: while it is open, its event loop runs
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Opens Chromium, with more flags if need be."""
    playwright, chromium = needs_package("playwright.sync_api"), needs_tool("chromium")
    opened = []
    with playwright.sync_playwright() as p:

        def go(*flags: str) -> Any:
            profile = str(tmp_path_factory.mktemp("profile"))
            size = {"width": 1000, "height": 700}
            context = p.chromium.launch_persistent_context(
                profile, executable_path=chromium, headless=True, args=[*FLAGS, *flags], viewport=size
            )
            context.set_default_timeout(60_000)  # milliseconds, spent only where a page does not do what it should
            opened.append(context)
            return context

        yield go
        for context in opened:
            context.close()


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Any:
    return launch()


@pytest.fixture(scope="module", autouse=True)
def what_a_module_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let go of the graphs and pictures that the tests of one module share, and give their memory back."""
    yield
    module = request.module
    if Path(getattr(module, "__file__", None) or "").is_relative_to(Path(__file__).parent):
        for thing in list(vars(module).values()):
            if getattr(thing, "__module__", None) == module.__name__ and hasattr(thing, "cache_clear"):
                thing.cache_clear()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page from a file; at the end of the test, nothing may have been logged or asked from the network."""
    tab = browser.new_page()
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else trouble.append(request.url)
    )

    def go(text: str, address: str = "", name: str = "page.html", **media: Any) -> Any:
        file = tmp_path / name
        file.write_text(text, "utf-8")
        tab.emulate_media(reduced_motion=media.get("motion", "reduce"), color_scheme=media.get("scheme", "light"))
        tab.goto(f"{file.as_uri()}{address}")
        tab.evaluate(PAINTED)
        return tab

    yield go
    tab.close()
    assert trouble == []


# --- an account of the run -------------------------------------------------------------------------------------------

REQUIRED = os.environ.get("GRAPHVIZ_AD_REQUIRE_TOOLS", "") not in ("", "0")
# MB that a process of tests may grow to: more is a leak, or a test that belongs into a process of its own
MOST_MEMORY = 2000
TESTS: Counter[str] = Counter()  # the name of a missing tool -> how many tests wait for it
FILES: dict[str, int] = {}  # ... and how many whole files do
PEAKS: list[int] = []  # of the processes that ran tests for this one, in MB


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note what a test was skipped for; it failed where all tools are required."""
    report = yield
    return _explained(report, call)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a whole file."""
    report = yield
    return _explained(report, getattr(report, "call", None))


def _explained(report: Any, call: pytest.CallInfo[Any] | None) -> Any:
    skip = call.excinfo.value if call is not None and call.excinfo is not None else None
    if isinstance(skip, ToolMissing):
        report.missing_tool = skip.tool
        if REQUIRED:
            report.outcome = "failed"
            report.longrepr = (
                f"{skip.tool} is not here, and GRAPHVIZ_AD_REQUIRE_TOOLS is set: install it, or unset that to skip what"
                " needs it"
            )
    return report


def pytest_runtest_logreport(report: Any) -> None:
    """Count a test that waits for a tool."""
    if tool := getattr(report, "missing_tool", None):
        TESTS[tool] += 1


def pytest_collectreport(report: Any) -> None:
    """Count a file that does."""
    if tool := getattr(report, "missing_tool", None):
        FILES[tool] = FILES.get(tool, 0) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what another process found, which ran tests for this one."""
    told = getattr(node, "workeroutput", {})
    PEAKS.append(told.get("peak", 0))
    FILES.update(told.get("files", {}))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a process of tests has grown too much."""
    PEAKS.append(_peak())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= {"peak": _peak(), "files": FILES}
    elif max(PEAKS) > MOST_MEMORY and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One loud line on the tools that are missing, and one on the memory."""
    waiting = [f"{tool} ({count})" for tool, count in sorted(TESTS.items())] + [
        f"{tool} (whole files: {n})" for tool, n in sorted(FILES.items())
    ]
    if waiting:
        terminalreporter.write_line(
            f"MISSING TOOLS: {TESTS.total() + sum(FILES.values())} tests wait for {', '.join(waiting)}",
            red=True,
            bold=True,
        )
    grown = f"a process of tests grew to {max(PEAKS, default=_peak()):,} MB, and {MOST_MEMORY:,} are allowed"
    too_much = max(PEAKS, default=0) > MOST_MEMORY
    terminalreporter.write_line(f"TOO MUCH MEMORY: {grown}" if too_much else grown, red=too_much, bold=too_much)


def _peak() -> int:
    """The most memory that this process ever had, in MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    own = re.search(r"VmHWM:\s*([0-9]+)", status.read_text("utf-8")) if status.exists() else None
    if own is not None:  # the other counts what the process had taken that started this one
        return int(own[1]) >> 10
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)
