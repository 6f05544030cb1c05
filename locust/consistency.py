"""Checks that Holdfast sells exactly what it has, when everybody wants it.

One item with 100 pieces at price 1; 1,000 users with 1 credit each; an order
of one piece for every user. All orders are checked out at the same moment.
Exactly 100 may succeed, and three accounts of what happened must agree: the
answers that the clients heard (the log), the item's stock, the users' credit.

The four kinds of inconsistency are those that the public TU Delft benchmark
reports, so that both can be compared: stock and payment, each in the log and
in the database. That benchmark compares sums, in which two errors can cancel
out; so every user's credit and every order's `paid` are checked one by one.

Exit codes: 0 consistent, 1 not, 2 the check could not be made.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import gevent
from gevent.pool import Pool
from geventhttpclient import URL, HTTPClient
from geventhttpclient.response import HTTPParseError

PRICE = 1
CREDIT = 1

# Requests at a time, except for the checkouts, which all start together.
SETUP_CONCURRENCY = 100

# How long one question is asked again, and the longest pause in between,
# whatever Retry-After says: a check must come to its end.
PATIENCE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0
DEFAULT_PAUSE_SECONDS = 1.0

CONNECT_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 30.0

# Files that the process needs besides its connections.
SPARE_FILES = 64

NO_ANSWER = 0

# "Not now": asking again is safe for every call of the setup, because what
# the setup has made is read back before the checkouts start.
NOT_NOW = frozenset({429, 503})

# A checkout or a lookup may also be repeated when its answer was lost on the
# way, here or between a gateway and the service: it has an effect only once.
NOT_NOW_OR_LOST = NOT_NOW | {NO_ANSWER, 502, 504}


class CheckImpossibleError(Exception):
    """The server is away, or doesn't do what the setup needs."""


class Call(NamedTuple):
    """One request of the public surface; none of them has a body."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def post(*segments: object) -> Call:
    """A POST of the path that these segments make."""
    return Call("POST", "/" + "/".join(str(part) for part in segments))


def get(*segments: object) -> Call:
    """A GET of the path that these segments make."""
    return Call("GET", "/" + "/".join(str(part) for part in segments))


@dataclass(frozen=True)
class Answer:
    """What came back for a call.

    `status` is `NO_ANSWER` where the connection failed; `body` is the reason
    then. `repeats` is how often the call had to be asked again.
    """

    call: Call
    status: int
    body: str
    retry_after: str | None = None
    repeats: int = 0

    def record(self) -> dict[str, Any]:
        """The JSON object of a success; an error that says more otherwise."""
        self.require_success()
        try:
            record = json.loads(self.body)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise CheckImpossibleError(
                f"{self.call} was answered without a JSON object: "
                f"{self.body[:200]!r}"
            )
        return record

    def field(self, name: str) -> Any:
        """One field of the JSON object."""
        record = self.record()
        if name not in record:
            raise CheckImpossibleError(
                f"{self.call} was answered without {name!r}: {record}"
            )
        return record[name]

    def require_success(self) -> None:
        """Turns anything but a 2xx into the error that ends the check."""
        if self.status == NO_ANSWER:
            raise CheckImpossibleError(f"{self.call}: no answer ({self.body})")
        if not 200 <= self.status < 300:
            raise CheckImpossibleError(
                f"{self.call} was answered {self.status}: {self.body[:200]}"
            )

    def pause(self) -> float:
        """Seconds to wait before asking again.

        Up to half as long again as Retry-After, at random: a thousand clients
        that come back at the same moment would be refused again.
        """
        seconds = DEFAULT_PAUSE_SECONDS
        if self.retry_after is not None and self.retry_after.isdecimal():
            seconds = float(self.retry_after)
        return min(seconds, LONGEST_PAUSE_SECONDS) * random.uniform(1.0, 1.5)


def parse_origin(url: str) -> URL:
    """The URL, once it is sure that it can be connected to."""
    parsed = URL(url)
    try:
        usable = parsed.scheme in ("http", "https") and bool(parsed.host)
        usable = usable and parsed.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise CheckImpossibleError("not of the form http://host:port")
    return parsed


class Origin:
    """The one origin that serves orders, stock and payment."""

    def __init__(self, url: str, connections: int) -> None:
        parsed = parse_origin(url)
        self._prefix = parsed.path.rstrip("/")
        self._client = HTTPClient.from_url(
            parsed,
            concurrency=connections,
            connection_timeout=CONNECT_TIMEOUT_SECONDS,
            network_timeout=ANSWER_TIMEOUT_SECONDS,
        )

    def ask(self, call: Call, again: frozenset[int] = NOT_NOW) -> Answer:
        """Sends a call, and repeats it while its status is in `again`.

        Never raises for what the server or the network does; gives the last
        answer when `PATIENCE_SECONDS` are over.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        repeats = 0
        while True:
            answer = self._ask_once(call, repeats)
            pause = answer.pause()
            too_late = time.monotonic() + pause > give_up_at
            if answer.status not in again or too_late:
                return answer
            gevent.sleep(pause)
            repeats += 1

    def ask_all(
        self,
        calls: Sequence[Call],
        again: frozenset[int] = NOT_NOW,
        at_once: int = SETUP_CONCURRENCY,
    ) -> list[Answer]:
        """Asks many, `at_once` at a time; the answers keep the order."""

        def ask(call: Call) -> Answer:
            return self.ask(call, again)

        answers: list[Answer] = Pool(at_once).map(ask, calls)
        return answers

    def _ask_once(self, call: Call, repeats: int) -> Answer:
        """One request. A POST is never sent twice by the client library."""
        try:
            response = self._client.request(
                call.method, self._prefix + call.path
            )
            body = bytes(response.read()).decode(errors="replace")
        except (OSError, HTTPParseError) as error:
            return Answer(call, NO_ANSWER, str(error), repeats=repeats)
        header = response.get("retry-after")
        retry_after = header if isinstance(header, str) else None
        return Answer(call, response.status_code, body, retry_after, repeats)


@dataclass(frozen=True)
class Plan:
    """How many want how much."""

    users: int
    stock: int

    @property
    def sold(self) -> int:
        """The checkouts that must succeed: everybody can pay for one piece."""
        return min(self.users, self.stock)


@dataclass(frozen=True)
class Shop:
    """What one round has made: the order at an index is that user's."""

    item: str
    users: list[str]
    orders: list[str]


class Books(NamedTuple):
    """What the databases say, users and orders as in `Shop`."""

    stock: int
    credits: list[int]
    paid: list[bool]


@dataclass(frozen=True)
class Inconsistencies:
    """Deviations counted from what must hold; all 0 in a consistent round.

    The first four are the public benchmark's. The next two compare each
    user's credit and each order with the answer that this user heard. The
    last is a gap in the log: a checkout with neither a success nor a refusal
    within `PATIENCE_SECONDS`.
    """

    stock_in_the_log: int
    stock_in_the_database: int
    payment_in_the_log: int
    payment_in_the_database: int
    credit_not_as_answered: int
    order_not_as_answered: int
    checkout_without_outcome: int

    def total(self) -> int:
        """0 is what the check wants."""
        return sum(asdict(self).values())


@dataclass(frozen=True)
class Round:
    """The result of one round. `seconds` is for all its checkouts."""

    paid: int
    refused: int
    asked_again: int
    seconds: float
    answers: dict[str, int]
    inconsistencies: Inconsistencies


def open_shop(origin: Origin, plan: Plan) -> Shop:
    """Creates the item, the users and their orders, under new ids.

    New ids, not batch_init: the check may run beside other load, and leaves
    the data of others alone.
    """
    # Alone and first: where nobody listens, this is the one error to see.
    item = str(origin.ask(post("stock/item/create", PRICE)).field("item_id"))
    require_all(origin, [post("stock/add", item, plan.stock)])

    created = origin.ask_all([post("payment/create_user")] * plan.users)
    users = [str(answer.field("user_id")) for answer in created]
    require_all(
        origin, [post("payment/add_funds", user, CREDIT) for user in users]
    )

    created = origin.ask_all([post("orders/create", user) for user in users])
    orders = [str(answer.field("order_id")) for answer in created]
    require_all(
        origin, [post("orders/addItem", order, item, 1) for order in orders]
    )
    return Shop(item, users, orders)


def require_all(origin: Origin, calls: Sequence[Call]) -> None:
    """Asks all of them; each must succeed."""
    for answer in origin.ask_all(calls):
        answer.require_success()


def check_setup(origin: Origin, plan: Plan, shop: Shop) -> None:
    """Reads the setup back: a repeated call may have been counted twice."""
    books = read_books(origin, shop)
    totals = read_all(origin, "orders/find", shop.orders, "total_cost")
    as_planned = (
        books.stock == plan.stock
        and all(credit == CREDIT for credit in books.credits)
        and all(total == PRICE for total in totals)
        and not any(books.paid)
    )
    if not as_planned:
        raise CheckImpossibleError(
            f"item {shop.item}, its buyers or their orders were not stored "
            "as they were made; nothing was checked out"
        )


def read_books(origin: Origin, shop: Shop) -> Books:
    """What the three services say now."""
    (stock,) = read_all(origin, "stock/find", [shop.item], "stock")
    return Books(
        stock,
        read_all(origin, "payment/find_user", shop.users, "credit"),
        read_all(origin, "orders/find", shop.orders, "paid"),
    )


def read_all(
    origin: Origin, path: str, ids: Iterable[str], field: str
) -> list[Any]:
    """One field of many records."""
    calls = [get(path, one_id) for one_id in ids]
    answers = origin.ask_all(calls, NOT_NOW_OR_LOST)
    return [answer.field(field) for answer in answers]


def was_paid(answer: Answer) -> bool:
    """The client was told that its order is paid."""
    return 200 <= answer.status < 300


def was_refused(answer: Answer) -> bool:
    """The client was told for good that its order isn't paid."""
    return 400 <= answer.status < 500 and answer.status not in NOT_NOW


def compare(
    plan: Plan, log: Sequence[Answer], books: Books
) -> Inconsistencies:
    """Holds the log and the databases against the plan and each other."""
    told_paid = sum(was_paid(answer) for answer in log)
    credit_left = (plan.users - plan.sold) * CREDIT
    credit_by_log = plan.users * CREDIT - told_paid * PRICE
    wrong_credit = wrong_order = unknown = 0
    for answer, credit, paid in zip(
        log, books.credits, books.paid, strict=True
    ):
        if was_paid(answer) or was_refused(answer):
            spent = PRICE if was_paid(answer) else 0
            wrong_credit += credit != CREDIT - spent
            wrong_order += paid != was_paid(answer)
        else:
            unknown += 1
    return Inconsistencies(
        stock_in_the_log=abs(told_paid - plan.sold),
        stock_in_the_database=abs(plan.stock - books.stock - plan.sold),
        payment_in_the_log=abs(credit_left - credit_by_log),
        payment_in_the_database=abs(credit_left - sum(books.credits)),
        credit_not_as_answered=wrong_credit,
        order_not_as_answered=wrong_order,
        checkout_without_outcome=unknown,
    )


def run_round(origin: Origin, plan: Plan) -> Round:
    """Makes a shop, lets everybody buy at once, compares."""
    shop = open_shop(origin, plan)
    check_setup(origin, plan, shop)

    checkouts = [post("orders/checkout", order) for order in shop.orders]
    started = time.monotonic()
    log = origin.ask_all(checkouts, NOT_NOW_OR_LOST, at_once=len(checkouts))
    seconds = time.monotonic() - started

    answers = Counter(str(answer.status or "none") for answer in log)
    return Round(
        paid=sum(was_paid(answer) for answer in log),
        refused=sum(was_refused(answer) for answer in log),
        asked_again=sum(answer.repeats for answer in log),
        seconds=round(seconds, 3),
        answers=dict(sorted(answers.items())),
        inconsistencies=compare(plan, log, read_books(origin, shop)),
    )


def run_rounds(
    origin: Origin, plan: Plan, rounds: int, tell: Callable[[str], None]
) -> list[Round]:
    """All rounds, each told in one line as soon as it is over."""
    results = []
    for number in range(1, rounds + 1):
        result = run_round(origin, plan)
        heard = ", ".join(f"{n} x {s}" for s, n in result.answers.items())
        tell(
            f"round {number}: {result.paid} paid, {result.refused} refused "
            f"in {result.seconds:.2f} s (answers {heard}; "
            f"{result.asked_again} asked again)"
        )
        results.append(result)
    return results


def is_consistent(results: Iterable[Round]) -> bool:
    """Every count of every round is 0, hence exactly the plan was sold."""
    return all(result.inconsistencies.total() == 0 for result in results)


def as_table(plan: Plan, results: Sequence[Round]) -> str:
    """The counts, summed over the rounds, and the verdict below them."""
    rows = [("inconsistencies", "count")]
    for kind in asdict(results[0].inconsistencies):
        count = sum(asdict(r.inconsistencies)[kind] for r in results)
        rows.append((kind.replace("_", " "), str(count)))
    lines = [f"{name:<28}{count:>8}" for name, count in rows]
    lines.insert(1, "-" * 36)
    exact = sum(result.paid == plan.sold for result in results)
    verdict = "consistent" if is_consistent(results) else "NOT CONSISTENT"
    lines.append(
        f"{verdict}: exactly {plan.sold} of {plan.users} checkouts paid in "
        f"{exact} of {len(results)} rounds"
    )
    return "\n".join(lines)


def as_json(url: str, plan: Plan, results: Sequence[Round]) -> str:
    """The same for programs, round by round."""
    return json.dumps(
        {
            "url": url,
            "users": plan.users,
            "stock": plan.stock,
            "expected_paid": plan.sold,
            "consistent": is_consistent(results),
            "rounds": [asdict(result) for result in results],
        },
        indent=2,
    )


def allow_open_files(count: int) -> None:
    """Raises the soft limit of open files, which often stands at 1,024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 (Windows doesn't have it)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except ValueError as error:
            raise CheckImpossibleError(
                f"{count} open files are needed and {hard} allowed: "
                "raise the limit (ulimit -Hn) or ask for fewer --users"
            ) from error


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parse_arguments() -> argparse.Namespace:
    """The command line; a mistake in it exits with 2, like all else."""
    parser = argparse.ArgumentParser(
        description="Check that exactly the stock is sold, and paid for."
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rounds", type=positive, default=1, metavar="N")
    parser.add_argument("--users", type=positive, default=1000, metavar="N")
    parser.add_argument("--stock", type=positive, default=100, metavar="N")
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of a table"
    )
    return parser.parse_args()


def tell(line: str) -> None:
    """Progress goes to stderr, so that stdout is only the result."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Runs the check and returns the exit code."""
    arguments = parse_arguments()
    plan = Plan(arguments.users, arguments.stock)
    connections = max(plan.users, SETUP_CONCURRENCY)
    try:
        allow_open_files(connections + SPARE_FILES)
        origin = Origin(arguments.url, connections)
        results = run_rounds(origin, plan, arguments.rounds, tell)
    except CheckImpossibleError as error:
        tell(f"cannot check {arguments.url}: {error}")
        return 2
    if arguments.json:
        print(as_json(arguments.url, plan, results))
    else:
        print(as_table(plan, results))
    return 0 if is_consistent(results) else 1


if __name__ == "__main__":
    sys.exit(main())
