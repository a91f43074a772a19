"""How many films a reader may open, who may come in, and what the command line makes of it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from app.http.basic import TRIES, TRIES_SECONDS, BasicCredentials, SignInError
from app.quotas import ADDRESS_SHARE, Quotas, SlidingWindow, in_words
from app.settings import read_settings
from lmeran.imaging.radiograph import ReadError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_window_slides_and_names_do_not_share_it() -> None:
    clock = Clock()
    window = SlidingWindow(2, 10, clock)
    for clock.now in (0.0, 6.0):
        assert window.wait("a") == 0
        window.count("a")
    clock.now = 8
    assert window.wait("a") == 2
    assert window.wait("b") == 0
    clock.now = 10
    assert window.wait("a") == 0, "the first use is ten seconds ago"
    window.count("a")
    assert window.wait("a") == 6


def test_names_are_forgotten_once_their_window_is_over() -> None:
    clock = Clock()
    window = SlidingWindow(2, 10, clock)
    for k in range(100):
        clock.now = k
        window.count(str(k))
    assert len(window) == 10


def test_no_limit_counts_nothing() -> None:
    window = SlidingWindow(0, 10)
    for _ in range(100):
        window.count("a")
    assert (window.wait("a"), len(window)) == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (1.5, "2 seconds"), (90, "90 seconds"), (91, "2 minutes")],
)
def test_waiting_times_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_too_many_films_are_refused_with_the_time_to_wait() -> None:
    clock = Clock()
    quotas = Quotas(films_per_minute=3, clock=clock)
    for _ in range(3):
        quotas.opening("me", "here")
    clock.now = 20
    with pytest.raises(ReadError, match=r"limit is 3 a minute.*try again in 40 seconds"):
        quotas.opening("me", "here")
    quotas.opening("you", "here")
    clock.now = 61
    quotas.opening("me", "here")


def test_an_address_is_limited_whatever_sessions_it_makes_up() -> None:
    quotas = Quotas(films_per_minute=3, clock=Clock())
    for k in range(3 * ADDRESS_SHARE):
        quotas.opening(f"session {k}", "here")
    with pytest.raises(ReadError, match="Too many films"):
        quotas.opening("another", "here")
    quotas.opening("another", "elsewhere")


def test_a_demonstration_takes_no_file_and_nobody_needs_a_limit() -> None:
    quotas = Quotas(demo=True, films_per_minute=0)
    with pytest.raises(ReadError, match="takes no files"):
        quotas.file()
    for _ in range(1000):
        quotas.opening("me", "here")
    Quotas().file()


def header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_only_the_right_pair_comes_in() -> None:
    credentials = BasicCredentials("ann", "correct horse: \u00fc", Clock())
    for user, password in (("ann", "correct hors"), ("bob", "correct horse: \u00fc"), ("", "")):
        with pytest.raises(SignInError, match="wrong"):
            credentials.check(header(user, password), "here")
    for nothing in (None, ""):
        with pytest.raises(SignInError, match="Sign in first"):
            credentials.check(nothing, "here")
    for other in ("Basic", "Basic !!", "Bearer abc"):
        with pytest.raises(SignInError, match="wrong"):
            credentials.check(other, other)
    credentials.check(header("ann", "correct horse: \u00fc"), "here")


def test_after_too_many_tries_even_the_right_password_waits() -> None:
    clock = Clock()
    credentials = BasicCredentials("ann", "correct horse", clock)
    for _ in range(TRIES):
        with pytest.raises(SignInError, match="wrong"):
            credentials.check(header("ann", "guess"), "here")
    right = header("ann", "correct horse")
    with pytest.raises(SignInError, match="Too many failed tries; try again in 5 min") as caught:
        credentials.check(right, "here")
    assert caught.value.wait == TRIES_SECONDS
    credentials.check(right, "elsewhere")
    clock.now = TRIES_SECONDS
    credentials.check(right, "here")


def test_the_password_is_nowhere_in_what_is_kept_or_shown(tmp_path: Path) -> None:
    credentials = BasicCredentials("ann", "correct horse")
    assert "correct horse" not in repr(vars(credentials))
    file = tmp_path / "secret"
    file.write_text("correct horse\nand a note\n")
    settings = read_settings(["--user", "ann", "--password-file", str(file)], {})
    assert settings.password == "correct horse"
    assert "correct horse" not in repr(settings)
    settings = read_settings(["--user", "ann"], {"LMERAN_PASSWORD": "from the variable"})
    assert settings.password == "from the variable"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--user", "ann"], {}, "--user needs a password"),
        (["--user", "ann"], {"LMERAN_PASSWORD": "short"}, "at least 8"),
        ([], {"LMERAN_PASSWORD": "long enough"}, "add --user NAME"),
        (["--user", "ann", "--password-file", "/none"], {}, "cannot be read"),
        (["--password", "on the command line"], {}, "unrecognized arguments"),
        (["--demo", "--examples", "."], {}, "leave --examples away"),
        (["--films-per-minute", "-1"], {}, "0 for no limit"),
        (["--idle-minutes", "0"], {}, "more than 0"),
        (["--proxy", "*"], {}, "not an address"),
        (["--frame-ancestors", "https://a; script-src *"], {}, "not an origin"),
        (["--root-path", "/a b"], {}, "not a path"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(
    arguments: list[str],
    environment: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        read_settings(arguments, environment)
    assert said in capsys.readouterr().err


def test_settings_of_a_space_come_from_its_variables() -> None:
    settings = read_settings([], {"LMERAN_DEMO": "1", "LMERAN_PROXY": "10.0.0.0/8, ::1"})
    assert settings.demo
    assert settings.proxies == ("10.0.0.0/8", "::1")
    assert not read_settings([], {"LMERAN_DEMO": "0"}).demo


def test_a_space_is_known_under_its_own_name_and_framed_by_hugging_face() -> None:
    variables = {"SPACE_ID": "ann/viewer", "SPACE_HOST": "ann-viewer.hf.space"}
    settings = read_settings([], variables)
    assert settings.host == "0.0.0.0"
    access = settings.access()
    assert access.hosts.allows("ann-viewer.hf.space")
    assert not access.hosts.allows("evil.example")
    assert "https://huggingface.co" in access.ancestors
    assert read_settings([], {}).access().ancestors == ()
    assert read_settings(["--root-path", "lungs/"], {}).root_path == "/lungs"
