"""Who executes a cached call, and who waits for whom."""

from sematic.cache_desk import Answer, CacheDesk


class Desk(CacheDesk):
    """Calls are named by who made them, from the top: ``abc`` is nested in ``ab``."""

    def asks(self, run_id: str, key: str) -> Answer | str:
        above = [run_id[:length] for length in range(len(run_id) - 1, 0, -1)]
        return self.ask(run_id, key, ancestors=above)


def test_the_first_looks_up_and_the_others_wait_until_it_is_resolved() -> None:
    desk = Desk()
    assert [desk.asks(name, "k") for name in "abc"] == [Answer.LOOK_UP, Answer.WAIT, Answer.WAIT]
    assert desk.resolve("a") == ["b", "c"]
    assert desk.asks("d", "k") == "a"


def test_what_is_to_execute_again_does_so_and_is_waited_for() -> None:
    desk = Desk()
    assert desk.ask("a", "k", ancestors=(), again=True) is Answer.EXECUTE
    assert desk.asks("b", "k") is Answer.WAIT
    assert desk.resolve("a") == ["b"]
    assert desk.ask("c", "k", ancestors=(), again=True) is Answer.EXECUTE, "though it is known"
    assert desk.resolve("c") == []


def test_nobody_waits_for_an_ancestor() -> None:
    desk = Desk()
    assert desk.asks("a", "k") is Answer.LOOK_UP
    assert desk.asks("abc", "k") is Answer.EXECUTE


def test_two_calls_do_not_wait_for_each_other_below() -> None:
    desk = Desk()
    assert [desk.asks("a", "f"), desk.asks("b", "g")] == [Answer.LOOK_UP] * 2
    assert desk.asks("ax", "g") is Answer.WAIT
    assert desk.asks("by", "f") is Answer.EXECUTE
    assert desk.resolve("b") == ["ax"]


def test_nor_in_a_longer_circle() -> None:
    desk = Desk()
    for leader, key in zip("abc", "fgh", strict=True):
        desk.asks(leader, key)
    assert desk.asks("a1", "g") is Answer.WAIT
    assert desk.asks("b22", "h") is Answer.WAIT
    assert desk.asks("c3", "f") is Answer.EXECUTE
    assert desk.asks("d", "f") is Answer.WAIT


def test_what_is_resolved_is_not_waited_for_any_more() -> None:
    desk = Desk()
    for leader, key in zip("abc", "fgh", strict=True):
        desk.asks(leader, key)
    assert desk.asks("a1", "g") is Answer.WAIT
    assert desk.asks("b2", "h") is Answer.WAIT
    desk.resolve("b")
    assert desk.asks("c3", "f") is Answer.WAIT
