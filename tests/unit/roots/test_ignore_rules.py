from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.config import WatchConfig
from phsearch.domain.formats import PHOTO_SUFFIXES
from phsearch.domain.gitignore import below_folder
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.errors import ConfigError

RULES = IgnoreRules(WatchConfig().ignore)


@pytest.mark.parametrize("name", ["a.jpg", "b/A.JPG", "x.y.HeIc", "raw/IMG_1.CR3", "caf\udce9.png", "a b/c d.webp"])
def test_a_photo_is_known_by_its_suffix_in_any_case(name: str) -> None:
    assert RULES.allows_file_path(name)
    assert RULES.why_not(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.txt", 'not a photo by its suffix ".txt"'),
        ("film.MP4", 'not a photo by its suffix ".mp4"'),
        ("README", "not a photo: its name has no suffix"),
        (".jpg", "hidden: its name starts with a dot"),
        ("a/.b.jpg", "hidden: its name starts with a dot"),
        ("a/.cache/b.jpg", 'hidden: its folder ".cache" starts with a dot'),
        ("2023/@eaDir/b.jpg", 'left out as trash, a snapshot or a cache, unless "!@eaDir/" is in watch.ignore'),
        ("#recycle/b.jpg", 'left out as trash, a snapshot or a cache, unless "!#recycle/" is in watch.ignore'),
    ],
)
def test_what_is_not_a_photo_has_a_reason_in_one_clause(name: str, reason: str) -> None:
    assert not RULES.allows_file_path(name)
    assert RULES.why_not(name) == reason


@pytest.mark.parametrize(
    "folder",
    [
        *("#recycle", "@Recycle", "$RECYCLE.BIN/S-1-5-21", "recycler", "Recycled", ".Trash-1000/files", ".dtrash"),
        *("#snapshot/GMT-2024.01.01", "@Recently-Snapshot/GMT", "~snapshot/daily", ".snapshot", ".snapshots/1"),
        *(".zfs/snapshot", ".stversions", "@eaDir", "@tmp", "@__thumb", ".thumbnails/normal", "__MACOSX/x", "IMG.tmp"),
        *("Cat.lrdata/0", "My.photoslibrary/resources/derivatives/1", "CaptureOne/Cache/1", "Old.aplibrary/Previews"),
        *("Old.photolibrary/Thumbnails/2011", "lost+found", "System Volume Information"),
    ],
)
def test_trash_snapshots_and_caches_are_left_out_however_deep_and_spelt(folder: str) -> None:
    rules = IgnoreRules(hidden=True)
    for path in (f"{folder}/a.jpg", f"2023/June/{folder.upper()}/deep/a.jpg"):
        assert not rules.allows_file_path(path)
        assert "left out as trash, a snapshot or a cache" in str(rules.why_not(path))


@pytest.mark.parametrize(
    "path",
    [
        *("recycled bottles.jpg", "snapshots/a.jpg", "My.photoslibrary/originals/1/a.jpg", "Cache/a.jpg", "tmp/a.jpg"),
        *("Old.aplibrary/Masters/a.jpg", "recycle/a.jpg", "resources/a.jpg", "eaDir/a.jpg", "Thumbnails/a.jpg"),
    ],
)
def test_names_that_only_look_alike_are_photos(path: str) -> None:
    assert RULES.allows_file_path(path)


def test_a_folder_that_is_left_out_is_let_in_by_a_rule_of_the_user() -> None:
    rules = IgnoreRules(("!#recycle/", "!@eaDir/", "secret/"))
    assert rules.allows_file_path("#recycle/a.jpg")
    assert rules.allows_file_path("x/@eaDir/a.jpg")
    assert not rules.allows_file_path("#snapshot/a.jpg")
    assert not rules.allows_file_path("#recycle/secret/a.jpg")


@pytest.mark.parametrize("rule", ["Privé/", "prive\u0301/", "PRIVÉ/", "priv?/", "/Priv*/**"])
@pytest.mark.parametrize("folder", ["Privé", "Prive\u0301", "PRIVÉ", "privé"])
def test_a_private_folder_stays_out_however_its_name_is_spelt(rule: str, folder: str) -> None:
    assert not IgnoreRules((rule,)).allows_file_path(f"{folder}/a.jpg")


def test_a_folder_is_refused_with_everything_below_it() -> None:
    assert RULES.allows_folder_path("")
    assert RULES.allows_folder_path("2023/June")
    assert not RULES.allows_folder_path("2023/.git")
    assert not RULES.allows_folder_path(".git/objects/ab")
    assert not RULES.allows_folder_path("@eaDir/deep/er")
    assert not RULES.allows_file_path("@eaDir/deep/er/a.jpg")


def test_a_rule_for_folders_spares_files_of_that_name() -> None:
    rules = IgnoreRules(("album.jpg/",))
    assert rules.allows_file_path("album.jpg")
    assert not rules.allows_folder_path("album.jpg")


def test_the_last_matching_rule_wins_and_comments_are_no_rules() -> None:
    rules = IgnoreRules(("# screenshots are noise", "", "*.png", "!keep*.png"))
    assert not rules.allows_file_path("shot.png")
    assert rules.allows_file_path("keep1.png")
    assert rules.why_not("shot.png") == 'ignored by the rule "*.png"'


def test_a_file_in_an_ignored_folder_cannot_be_let_in_again() -> None:
    rules = IgnoreRules(("private/", "!private/keep.jpg"))
    assert rules.allows_file_name("private/keep.jpg")
    assert not rules.allows_file_path("private/keep.jpg")
    assert rules.why_not("private/keep.jpg") == 'ignored by the rule "private/"'


def test_an_anchored_rule_holds_at_the_root_only() -> None:
    rules = IgnoreRules(("/work",))
    assert not rules.allows_folder_path("work")
    assert rules.allows_folder_path("a/work")


def test_hidden_files_are_admitted_when_asked_for() -> None:
    rules = IgnoreRules(hidden=True)
    assert rules.allows_file_path(".secret/.a.jpg")
    assert not rules.allows_file_path(".jpg")


def test_the_smallest_size_counts_bytes() -> None:
    assert IgnoreRules().allows_size(0)
    assert not IgnoreRules(min_bytes=10).allows_size(9)
    assert IgnoreRules(min_bytes=10).allows_size(10)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("!", "there is nothing to match"),
        ("Trip\\", "the backslash at its end has nothing after it"),
        ("[2024", 'its "[" is never closed'),
        ("a//b", "it has two slashes side by side"),
        ("[[:letter:]]", 'there is no class "[:letter:]"'),
    ],
)
def test_a_rule_that_can_match_nothing_is_named_and_the_others_hold(rule: str, fault: str) -> None:
    rules = IgnoreRules(("*.png", rule))
    assert rules.faults == (f'the rule "{rule}" in "watch.ignore": {fault}',)
    assert not rules.allows_file_path("a.png")
    assert rules.allows_file_path("Trip/2024/a/b.jpg")
    with pytest.raises(ConfigError) as bad:
        rules.check()
    assert str(bad.value) == f'bad ignore rule "{rule}" in "watch.ignore": {fault}'


def test_a_folder_in_brackets_is_left_out_by_an_escaped_bracket() -> None:
    doubtful = IgnoreRules(("[2024-01] Trip/",))
    assert doubtful.faults == ('the rule "[2024-01] Trip/" in "watch.ignore": the range "4-0" is empty',)
    doubtful.check()
    assert doubtful.allows_file_path("[2024-01] Trip/a.jpg"), "git takes it for one of 2, 0, 4, 1"
    assert not doubtful.allows_file_path("2 Trip/a.jpg")
    escaped = IgnoreRules((r"\[2024-01] Trip/",))
    assert not escaped.faults
    assert not escaped.allows_file_path("x/[2024-01] trip/a.jpg")


@given(st.lists(st.text(), max_size=4), st.text())
def test_every_text_is_a_rule(lines: list[str], path: str) -> None:
    rules = IgnoreRules(tuple(lines))
    rules.allows_file_path(f"{path}.jpg")
    rules.why_not(path)
    for line in lines:
        below_folder(line, anchored=False)(path)


@pytest.mark.parametrize("below", ["_" * 250, "_/" * 2_000])
@pytest.mark.parametrize("star", ["*_", "**/_", "**/*_/", "*_*/", "**/a*_*_/**/"])
def test_many_stars_against_a_long_name_take_no_time(star: str, below: str) -> None:
    start = time.process_time()
    for pattern in (f"{star * 200}x", f"/{star * 200}x", f"{star * 200}/**/x*"):
        assert IgnoreRules((pattern,)).allows_file_name(f"{below}a.jpg")
        assert not below_folder(pattern, anchored=False)(below)
    assert time.process_time() - start < 2


def test_raw_files_of_all_makers_are_photos() -> None:
    assert {".nef", ".cr3", ".arw", ".raf", ".dng", ".x3f", ".3fr", ".fff", ".ptx"} <= PHOTO_SUFFIXES
