"""The server is killed in the middle of logins."""

import random
import signal
import time
import threading

from .server import sums, wait_for


def invariant(one):
    """In every month geo = client; in the last one, as many users are marked."""
    found = one.store()
    marked = {}
    for month in found["users"].values():
        marked[month] = marked.get(month, 0) + 1
    for month, counts in found["totals"].items():
        assert sums(counts) == (marked[month], marked[month]), f"{month}: {counts}, {marked[month]} marked"
    assert set(marked) == set(found["totals"])
    return len(found["users"])


def log_in(one, people, done):
    """Logs in as long as there is a server."""
    for user in people:
        try:
            one.login(user)
        except (OSError, EOFError):
            return
        done.append(user)


def test_killed_ten_times_in_the_middle_of_1000_logins_it_counts_each_user_once(server, names):
    # Written often, so that the kill hits the store and not only memory.
    one = server("mod_monthly_visitors_flush_interval = 0.02")
    people = [next(names) for _ in range(1000)]
    written = 0
    seed = time.time_ns()
    print(f"random.Random({seed})")  # shown when it fails
    chance = random.Random(seed)
    for _ in range(10):
        one.start()
        assert invariant(one) >= written, "somebody was lost"
        chance.shuffle(people)
        done = []
        thread = threading.Thread(target=log_in, args=(one, people, done))
        thread.start()
        end = chance.randint(100, 900)
        wait_for("logins", lambda: len(done) >= end)
        one.process.kill()
        one.end(signal.SIGKILL)
        thread.join()
        assert len(done) < 1000, "it was killed too late"
        written = len(one.store()["users"])
    one.start()
    written = invariant(one)
    assert 0 < written <= 1000
    log_in(one, people, [])
    one.flush()
    assert invariant(one) == 1000
    assert one.totals() == {"geo-?-?-?": 1000, "client-?": 1000}
