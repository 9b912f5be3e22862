"""Whole journeys through the page, in a real browser and by keyboard alone."""

from __future__ import annotations

import time

import pytest

from tests.serve.page.browsing import Driver
from tests.serve.page.conftest import Site
from tests.serve.page.filling import NAMESPACE
from tests.serve.page.reading import Keys, Reader
from tests.serve.serving import served
from wayfare.errors import BadValue
from wayfare.memory import Memory

pytestmark = pytest.mark.xdist_group("page")  # one browser


def test_a_token_signs_in_and_is_kept_in_this_tab_only(driver: Driver, site: Site) -> None:
    reader = Reader(driver, site.url)
    reader.arrive()
    assert driver.title.startswith("Sign in") and reader.focused()[:2] == ("input", "Token")
    reader.keys("wayfare_0000000000000000_" + "x" * 43, Keys.ENTER)
    reader.wait(lambda: "not known" in reader.text(".refused"))
    assert reader.run("return sessionStorage.length + localStorage.length") == 0
    token = site.token("read")
    reader.keys(token, Keys.ENTER)
    reader.wait(lambda: driver.title.startswith("Memories"))
    assert NAMESPACE in reader.text("#who")
    kept = reader.run("return [Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
    assert kept == [[token], [], ""]
    assert reader.focused()[:2] == ("h1", "Memories")
    reader.again()
    assert driver.title.startswith("Memories")
    reader.tab_to("button", "Sign out")
    reader.keys(Keys.ENTER)
    reader.wait(lambda: driver.title.startswith("Sign in"))
    assert reader.run("return sessionStorage.length") == 0
    reader.quiet()


def test_a_revoked_token_leads_back_to_the_door_at_the_next_step(driver: Driver, site: Site) -> None:
    text, grant = site.served.token("bob", namespace=NAMESPACE)
    reader = Reader(driver, site.url)
    reader.sign_in(text)
    site.served.tokens.revoke(grant.id)
    reader.run("location.hash = '#/learning'")
    reader.wait(lambda: driver.title.startswith("Sign in"))
    assert "revoked" in reader.text(".refused") and reader.run("return sessionStorage.length") == 0


def test_a_memory_is_searched_and_looked_into_by_keyboard_alone(reader: Reader, site: Site) -> None:
    reader.keys(Keys.TAB)
    assert reader.focused()[1] == "Skip to content"
    reader.keys(Keys.ENTER)
    assert reader.run("return document.activeElement.id") == "main"
    reader.tab_to("input", "Search")
    reader.keys("report warehouse", Keys.ENTER)
    reader.wait(lambda: reader.driver.title.startswith("Search"))
    assert reader.focused()[0] == "h1"  # the view is told, and read from its beginning
    reader.wait(lambda: "found" in reader.text("#live"))
    with site.memory() as memory:
        found = memory.search("report warehouse", limit=50)
        shown = reader.rows("Search")
        assert [row[0] for row in shown] == [each.record.content for each in found]
        assert [row[1] for row in shown] == [f"{each.relevance:.2f}" for each in found]
        best = found[0].record
        reader.tab_to("a", best.content[:30])
        reader.keys(Keys.ENTER)
        reader.wait(lambda: reader.driver.title.startswith("Memory "))
        course = memory.course(best.id)
        told = reader.text(".reading")
        assert f"mean {course[-1].mean:.3f}" in told and f"weight {course[-1].n:.2f}" in told
        reader.tab_to("input", "Credit")
        reader.keys(Keys.HOME)
        assert f"mean {course[0].mean:.3f}" in reader.text(".reading")
        reader.keys(Keys.ARROW_RIGHT)
        assert f"mean {course[1].mean:.3f}" in reader.text(".reading")
        reader.tab_to("summary", "All values as a table")
        reader.keys(Keys.ENTER)
        assert [row[4] for row in reader.rows("Utility over time")] == [f"{point.mean:.3f}" for point in course]
        recalled = reader.rows("Where it was recalled")
        assert [row[1] for row in recalled] == [each.task for each in memory.recalls(best.id, limit=10).receipts]
        reader.tab_to("button", "Look further back")
        reader.keys(Keys.ENTER)
        reader.wait(lambda: len(reader.rows("Where it was recalled")) > len(recalled))


def test_what_was_recalled_and_why_is_what_the_receipt_says(reader: Reader, site: Site) -> None:
    reader.tab_to("a", "Recalls")
    reader.keys(Keys.ENTER)
    reader.wait(lambda: reader.driver.title.startswith("Recalls"))
    with site.memory() as memory:
        tasks = memory.tasks(limit=50)
        assert [row[1] for row in reader.rows("Tasks")] == [task.id for task in tasks]
        task = next(task for task in tasks if task.reward is not None and len(task.shares) > 1)
        reader.open(f"#/tasks/{task.id}")
        receipt = memory.receipt(memory.receipts(task=task.id)[0].id)
        told = {each.id: each for each in memory.considered(receipt)}
        rows = reader.rows("Candidates")
        assert len(rows) == len(told)
        for row, (id, _) in zip(rows, receipt.shown, strict=False):
            assert row[0] != "no" and row[2] == _percent(told[id].chance)
            assert row[-2] == f"{told[id].mean:.2f} ± {told[id].width:.2f}"
        assert sum(row[0] == "no" for row in rows) == len(told) - len(receipt.shown)
        facts = reader.text(".facts")
        assert task.side in facts and task.policies[task.side] in facts
        assert len(reader.rows("Outcomes")) == len(memory.outcomes(task.id))
        reader.open("#/tasks/ticket-open")
        assert "Nobody has said how it went." in reader.text() and len(reader.all("h2")) == 3


def _percent(value: float) -> str:
    if 0 < value < 0.001:
        return "< 0.1 %"
    if 0.999 < value < 1:
        return "> 99.9 %"
    return f"{100 * value:.1f} %" if value not in (0, 1) else f"{100 * value:.0f} %"


def test_the_floor_is_shown_as_it_stands_and_as_it_came_to_stand_so(reader: Reader, site: Site) -> None:
    reader.tab_to("a", "Learning")
    reader.keys(Keys.ENTER)
    reader.wait(lambda: reader.driver.title.startswith("Learning"))
    with site.memory() as memory:
        floor, history = memory.floor(), memory.floor_history(limit=25)
        assert _percent(1 - floor["shares"]["baseline"]) in reader.text(".facts")
        assert f"at least {floor['certified']:.2f}" in reader.text(".facts") and floor["certified"] > 0
        assert "A challenger is on trial." in reader.text()
        sides = {row[0]: row for row in reader.rows("Sides")}
        for side, policy in floor["policies"].items():
            assert sides[side][1] == policy and sides[side][3] == _percent(floor["shares"][side])
        assert len(reader.rows("What happened")) == len(history.events)
        said = reader.text()
        assert "has proved at least" in said and "was put on trial" in said and "frozen: a release" in said
        reader.tab_to("input", "Step")
        reader.keys(Keys.HOME)
        assert f"baseline {_percent(history.steps[0].shares['baseline'])}" in reader.text(".reading")
        assert len(reader.rows("Share of the tasks")) in (len(history.steps), len(history.steps) + 1)


def test_policies_are_compared_with_intervals_and_a_refusal_says_why(reader: Reader, site: Site) -> None:
    with site.memory() as memory:
        stored = memory.floor()["policies"]["challenger"]
        memory.freeze()
        memory.thaw()
        estimates = {name: memory.evaluate(name) for name in ("thompson", stored)}
    reader.open("#/compare")
    reader.tab_to("input", "similarity")
    reader.keys(Keys.SPACE)  # off
    reader.tab_to("input", stored)
    reader.keys(Keys.SPACE, Keys.ENTER)
    reader.wait(lambda: "Estimates" in reader.text())
    reader.settled()
    rows = {row[0]: row for row in reader.rows("Estimates")}
    assert set(rows) == {"thompson", stored}
    for name, told in estimates.items():
        assert rows[name][1] == f"{told.value:.3f} [{told.low:.3f}, {told.high:.3f}]"
        assert rows[name][4] == f"{round(told.estimate.effective_sample_size or 0)}"
        assert rows[name][5] == _percent(told.estimate.no_overlap)
    reader.tab_to("summary", "All estimates of thompson")
    reader.keys(Keys.ENTER)
    assert "It assumes" in reader.text("details[open] .said")
    reader.open("#/compare?policy=never-used")
    assert "Refused: policy must be safe, one of" in reader.text(".results") and "never-used" in reader.text(".results")


def test_a_new_version_is_written_for_the_version_that_was_read_and_a_conflict_is_shown(
    reader: Reader, site: Site
) -> None:
    with site.memory() as memory:
        id = memory.remember("The first words of a note", tags=["draft"]).id
        reader.open(f"#/memories/{id}")
        reader.tab_to("button", "Revise")
        reader.keys(Keys.ENTER)
        assert reader.focused()[:2] == ("textarea", "Text")
        memory.revise(id, "Their words of a note")
        reader.select_all()
        reader.keys("My words of a note\nand a second line")
        reader.tab_to("button", "Write a new version")
        reader.keys(Keys.ENTER)
        reader.wait(lambda: "Conflict" in reader.text("dialog"))
        assert memory.get(id).content == "Their words of a note"
        assert reader.text("dialog del") == "Their" and reader.text("dialog ins").startswith("My")
        reader.tab_to("button", "Write over version 2")
        reader.keys(Keys.ENTER)
        reader.wait(lambda: memory.get(id).version == 3)
        reader.wait(lambda: not reader.all("dialog") and "Version 3" in reader.text())
        kept = memory.history(id)[-1]
        assert kept.record is not None and kept.record.content == "My words of a note\nand a second line"
        assert kept.actor == "ann" and kept.record.tags == ("draft",)
        assert [each.text for each in reader.all(".versions li:first-child del")] == ["Their"]
        reader.tab_to("button", "Revise")
        reader.keys(Keys.ENTER, Keys.ESCAPE)
        reader.wait(lambda: not reader.all("dialog"))
        assert reader.focused()[1].startswith("Revise")  # where it was opened


def test_forgetting_is_asked_for_and_purging_asks_for_a_word(reader: Reader, site: Site) -> None:
    with site.memory() as memory:
        hidden, purged = (memory.remember(f"Something to {how}").id for how in ("hide", "purge"))
        reader.open(f"#/memories/{hidden}")
        reader.tab_to("button", "Forget")
        reader.keys(Keys.ENTER)
        reader.tab_to("button", "Cancel")
        reader.keys(Keys.ENTER)
        assert memory.get(hidden).version == 1
        reader.tab_to("button", "Forget")
        reader.keys(Keys.ENTER)
        reader.tab_to("button", "Forget")
        reader.keys(Keys.ENTER)
        reader.wait(lambda: reader.driver.title.startswith("Memories"))
        assert memory.history(hidden)[-1].op == "DELETE"
        reader.open(f"#/memories/{hidden}")
        assert "has been forgotten" in reader.text()
        reader.open(f"#/memories/{purged}")
        reader.tab_to("button", "Forget")
        reader.keys(Keys.ENTER)
        reader.tab_to("input", "Purge")
        reader.keys(Keys.SPACE, "purg", Keys.ENTER)
        reader.wait(lambda: "Type the word" in reader.text("dialog"))
        assert memory.get(purged).version == 1
        reader.keys("purge", Keys.ENTER)  # over what was typed: the field is chosen again
        reader.wait(lambda: memory.history(purged)[-1].record is None)


def test_a_task_is_credited_and_what_a_source_said_before_is_replaced_only_if_that_is_said(
    reader: Reader, site: Site
) -> None:
    with site.memory() as memory:
        shown = memory.recall("mobile app", k=2, task="credited-here").ids
        reader.open("#/tasks/credited-here")
        reader.tab_to("button", "Credit")
        reader.keys(Keys.ENTER)
        assert reader.focused()[:2] == ("input", "Reward")
        reader.keys("0.25")
        reader.tab_to("select", "Which memories")
        reader.keys(Keys.ARROW_DOWN, Keys.TAB, Keys.SPACE, Keys.ENTER)
        reader.wait(lambda: len(memory.outcomes("credited-here")) == 1)
        (said,) = memory.outcomes("credited-here")
        assert (said.reward, said.source, said.actor, said.used) == (0.25, "human", "ann", (shown[0],))
        reader.wait(lambda: not reader.all("dialog"))
        reader.settled()
        reader.tab_to("button", "Credit")
        reader.keys(Keys.ENTER, "1")
        reader.keys(Keys.ENTER)
        reader.wait(lambda: "already has reward" in reader.text("dialog"))
        reader.tab_to("input", "Replace")
        reader.keys(Keys.SPACE, Keys.ENTER)
        reader.wait(lambda: memory.task_seen("credited-here").reward == 1.0)
        reader.wait(lambda: not reader.all("dialog"))
        reader.settled()
        assert [row[4] for row in reader.rows("Outcomes")] == ["corrected", "counts"]


def test_a_token_without_the_scopes_is_offered_no_changes(driver: Driver, site: Site) -> None:
    reader = Reader(driver, site.url)
    reader.sign_in(site.token("read"))
    reader.open(f"#/memories/{site.named['revised']}")
    assert reader.all("main .text") and not reader.all("main .actions")
    reader.open("#/tasks/ticket-open")
    assert not reader.all("main .actions")
    reader.sign_in(site.token("write"))
    assert "scope" in reader.text()  # it may not read, and is told so


def test_one_user_on_this_machine_needs_no_token(
    driver: Driver, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address = str(tmp_path_factory.mktemp("single") / "agent.db")
    with served(address) as alone:
        reader = Reader(driver, alone.base_url)
        reader.arrive()
        assert driver.title.startswith("Memories") and "no token is needed" in reader.text("#who")
        assert "No memory answers" in reader.text()
        for place, words in (
            ("tasks", "Nothing has been recalled"), ("learning", "No task has begun"),
            ("compare?policy=similarity", "Refused: the log must be"), ("nowhere", "nothing under"),
        ):  # fmt: skip
            reader.open(f"#/{place}")
            reader.wait(lambda words=words: words in reader.text())
        with Memory(address) as memory:
            with pytest.raises(BadValue, match="the log"):
                memory.evaluate("similarity")
            memory.remember("Kept since", event=time.time())
        reader.open("#/memories")
        assert "Kept since" in reader.text()
        reader.quiet()
