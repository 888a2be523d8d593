"""A book of what a host said that it did: who must count, in which month, under
which key. It knows the rule of months, and nothing of the library."""

import datetime
from collections import Counter

DAY = 86400
CLIENTS = ["client-ANDROID", "client-IOS", "client-?"]


def month_of(time):
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m")


class Book:
    """`places` says the geo- key of an address."""

    def __init__(self, closes, places):
        self.closes = closes
        self.places = places
        self.closed_before = ""
        self.first = {}  # month -> time of its earliest login
        self.users = {}  # month -> user -> time of the login that counts
        self.durable = {}  # month -> users that a flush has told to be written
        self.logins = []  # in their order: (user, time) that are to be repeated
        self.leaving, self.gone = set(), set()  # being forgotten, forgotten
        # Before which month a purge was begun, and what must be gone: a purge
        # leaves what was not yet closed in the store, or not yet written.
        self.purging, self.purged = "", ""
        self.settled, self.purgeable = "", ""
        self.time, self.next = 0, 0

    def heard(self, line):
        """Takes a line of the host."""
        what, a, b, time = line.split()
        a, b, time = int(a), int(b), int(time)
        self.time = max(self.time, time)
        if what == "record":
            if not self.closes:
                self.settled = ""
            self.accepted = self.login([f"user{number}" for number in range(a, b)], time)
            self.next = max(self.next, b)
        elif what in ("recorded", "refused"):
            assert self.accepted == (what == "recorded"), f"{line}: closed before {self.closed_before}, {self.first}"
        elif what == "come":
            self.next = max(self.next, a + 1)
            assert self.login([f"gone{a}"], time)
        elif what == "flushed":
            self.durable = {month: set(users) for month, users in self.users.items()}
            self.settled = self.closed_before if self.closes else "9999-12"
        elif what == "forget":
            self.leaving.add(f"gone{a}")
        elif what == "forgotten":
            self.gone.add(f"gone{a}")
        elif what == "purge":
            self.purging = max(self.purging, f"{a}-{b:02}")
            self.purgeable = self.settled
        elif what == "purged":
            self.purged = max(self.purged, min(self.purgeable, f"{a}-{b:02}"))

    def login(self, users, time):
        """Logins at one time; whether they are accepted."""
        month = month_of(time)
        if month < self.closed_before:
            return False
        self.first[month] = min(time, self.first.get(month, time))
        self.close(time)
        there = self.users.setdefault(month, {})
        new = [user for user in users if user not in there]
        there.update(dict.fromkeys(new, time))
        # The first one in any case: it may close a month.
        self.logins += [(user, time) for user in dict.fromkeys(users[:1] + new)]
        return True

    def repeated(self, is_closed):
        """The logins that anybody could do again, in the order of their times:
        without those of months that the store has closed, and of users who have
        left. Where months do not close, the last ones will do."""
        oldest = "" if self.closes else month_of(self.time - 40 * DAY)
        months = {month_of(time) for _, time in self.logins}
        kept = {month for month in months if month >= oldest and not is_closed(month)}
        self.logins = [(user, time) for user, time in self.logins if month_of(time) in kept]
        again = [(user, time) for user, time in self.logins if user not in self.leaving]
        return sorted(again, key=lambda login: login[1])

    def close(self, time):
        """Closes what a login at this time closes, once it is known when each month
        began. That may have come late: then the same login closes more when it is
        repeated."""
        if self.closes:
            over = [month for month, first in self.first.items() if first + DAY <= time]
            self.closed_before = max([self.closed_before, *over])

    def visit(self, user):
        """Address and resource of a user."""
        number = int(user[4:])
        return f"192.0.2.{number % 7 * 37}", ["Conversations.x", "Zom-1", "x"][number % 3]

    def counts(self, users):
        """The counts that these users make."""
        keys = Counter()
        for user in users:
            keys[self.places[self.visit(user)[0]]] += 1
            keys[CLIENTS[int(user[4:]) % 3]] += 1
        return dict(keys)

    def expected(self):
        """Month -> counts, when everybody has come again."""
        return {month: self.counts(users) for month, users in self.users.items() if users}

    def forget_purged(self, there):
        """What a purge, finished or not, has taken away."""
        for month in list(self.users):
            if month < self.purging and month not in there:
                del self.users[month]
