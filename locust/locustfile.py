"""Load on Holdfast's public HTTP surface, for people who use Locust.

Two scenarios, each a user class that the command line names. ``Checkout``
buys: create an order, add one or two items, check it out. ``Mixed`` does what
a shop's visitors do: 80 % looking, 15 % adding an item, 5 % checking out.

Every start of a test fills the three services anew through ``batch_init``,
so that runs can be compared and a second run doesn't find every order paid.

A 4xx is a refusal, which is an answer that a shop gives on purpose (out of
stock, too little credit, order already paid). It counts as a success, in a
statistics row of its own. A 5xx, or no answer at all, is a failure.
"""

from __future__ import annotations

import json
import logging
import random
from typing import Any, NamedTuple, NoReturn

from gevent import GreenletExit
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from locust.runners import WorkerRunner

DEFAULT_ORIGIN = "http://127.0.0.1:8000"

# Filling a store of many millions of records takes a while.
BATCH_INIT_TIMEOUT_SECONDS = 300.0

logger = logging.getLogger("holdfast")


class Setting(NamedTuple):
    """One number that the command line, the environment or the UI may set."""

    option: str
    variable: str
    default: int
    meaning: str


# The defaults are the sizes that the public TU Delft benchmark prepares.
SETTINGS = (
    Setting("--orders", "HOLDFAST_ORDERS", 100_000, "prepared orders"),
    Setting("--items", "HOLDFAST_ITEMS", 100_000, "prepared items"),
    Setting("--accounts", "HOLDFAST_ACCOUNTS", 100_000, "prepared users"),
    Setting("--stock", "HOLDFAST_STOCK", 1_000_000, "pieces of each item"),
    Setting("--credit", "HOLDFAST_CREDIT", 1_000_000, "credit of each user"),
    Setting("--price", "HOLDFAST_PRICE", 1, "price of each item"),
)


@events.init_command_line_parser.add_listener
def add_settings(parser: LocustArgumentParser) -> None:
    """Gives every setting an option, a variable and a field in the UI."""
    group = parser.add_argument_group("Holdfast")
    for setting in SETTINGS:
        group.add_argument(
            setting.option,
            env_var=setting.variable,
            type=int,
            default=setting.default,
            help=setting.meaning,
        )
    group.add_argument(
        "--think-time",
        env_var="HOLDFAST_THINK_TIME",
        type=float,
        default=1.0,
        help="seconds that a user waits between two tasks; 0: none",
    )


@events.test_start.add_listener
def prepare_data(environment: Environment, **_: Any) -> None:
    """Fills the services, once a test: the workers leave it to their master.

    The orders come last, because they name items and users that must exist.
    """
    if isinstance(environment.runner, WorkerRunner):
        return
    size = environment.parsed_options
    assert size is not None, "Locust parses the options before a test starts"
    origin = (environment.host or DEFAULT_ORIGIN).rstrip("/")
    paths = (
        f"/payment/batch_init/{size.accounts}/{size.credit}",
        f"/stock/batch_init/{size.items}/{size.stock}/{size.price}",
        f"/orders/batch_init/{size.orders}/{size.items}/{size.accounts}"
        f"/{size.price}",
    )
    for path in paths:
        logger.info("preparing data: POST %s", path)
        problem = post_once(origin, path)
        if problem is not None:
            call_off(environment, problem)


def call_off(environment: Environment, problem: str) -> NoReturn:
    """Ends the test before its first user.

    Without data every answer would be a refusal, which counts as a success:
    a run that measures nothing must not look green. The UI stays, so that
    the test can be started again. Locust logs and then ignores any ordinary
    exception of a listener, hence the one that ends the greenlet itself.
    """
    logger.error("no data prepared, test called off: %s", problem)
    if environment.web_ui is None:
        environment.process_exit_code = 2
        if environment.runner is not None:
            environment.runner.quit()
    raise GreenletExit


def post_once(origin: str, path: str) -> str | None:
    """Posts outside the statistics; returns what went wrong, if anything."""
    try:
        client = HTTPClient.from_url(
            origin, network_timeout=BATCH_INIT_TIMEOUT_SECONDS
        )
        response = client.post(path)
        body = bytes(response.read()).decode(errors="replace")
    except (OSError, HTTPParseError) as error:
        return f"{origin} gives no answer ({error})"
    if response.status_code != 200:
        return f"POST {path} was answered {response.status_code}: {body}"
    return None


class Visitor(FastHttpUser):
    """What both scenarios can do, one method a call of the surface."""

    abstract = True
    host = DEFAULT_ORIGIN

    def wait_time(self) -> float:
        """Seconds until the next task, as the user of Locust asked."""
        return float(self.size.think_time)

    @property
    def size(self) -> Any:
        """The settings of this test; a worker has its master's."""
        return self.environment.parsed_options

    def random_order(self) -> str:
        """The id of a prepared order."""
        return str(random.randrange(self.size.orders))

    def random_item(self) -> str:
        """The id of a prepared item."""
        return str(random.randrange(self.size.items))

    def random_user(self) -> str:
        """The id of a prepared user."""
        return str(random.randrange(self.size.accounts))

    def find_item(self, item_id: str) -> None:
        """Looks at an item's stock and price."""
        self.call("GET", f"/stock/find/{item_id}", "/stock/find/[item]")

    def find_order(self, order_id: str) -> None:
        """Looks at an order's lines and total."""
        self.call("GET", f"/orders/find/{order_id}", "/orders/find/[order]")

    def find_user(self, user_id: str) -> None:
        """Looks at a user's credit."""
        self.call(
            "GET", f"/payment/find_user/{user_id}", "/payment/find_user/[user]"
        )

    def create_order(self, user_id: str) -> str | None:
        """Opens an order; None where the service gave none."""
        body = self.call(
            "POST", f"/orders/create/{user_id}", "/orders/create/[user]"
        )
        return None if body is None else str(json.loads(body)["order_id"])

    def add_item(self, order_id: str, item_id: str) -> None:
        """Adds one piece of an item to an order."""
        self.call(
            "POST",
            f"/orders/addItem/{order_id}/{item_id}/1",
            "/orders/addItem/[order]/[item]/1",
        )

    def check_out(self, order_id: str) -> None:
        """Checks an order out."""
        self.call(
            "POST", f"/orders/checkout/{order_id}", "/orders/checkout/[order]"
        )

    def call(self, method: str, path: str, name: str) -> bytes | None:
        """Sends one request and files its answer under `name`.

        Returns the body of a success, and None for a refusal or a failure.
        """
        with self.client.request(
            method, path, name=name, catch_response=True
        ) as response:
            return file_answer(response)


def file_answer(response: ResponseContextManager) -> bytes | None:
    """Gives a refusal its own row; leaves a failure to Locust.

    The row of its own keeps cheap refusals from flattering the percentiles
    of the calls that did their work.
    """
    status = response.status_code
    if 400 <= status < 500:
        response.request_meta["name"] += f" refused {status}"
        response.success()
        return None
    return response.content if status == 200 else None


class Checkout(Visitor):
    """Buys one or two random items, each time with an order of its own."""

    @task
    def buy(self) -> None:
        """Create, add, check out; ends early where no order was given."""
        order_id = self.create_order(self.random_user())
        if order_id is None:
            return
        for _ in range(random.randint(1, 2)):
            self.add_item(order_id, self.random_item())
        self.check_out(order_id)


class Mixed(Visitor):
    """A shop's everyday load over the prepared orders.

    The weights add up to 100: 80 to look, 15 to add, 5 to check out. As more
    and more of the prepared orders are paid, more additions are refused.
    """

    @task(60)
    def look_at_item(self) -> None:
        """The shop's product page."""
        self.find_item(self.random_item())

    @task(10)
    def look_at_order(self) -> None:
        """The basket."""
        self.find_order(self.random_order())

    @task(10)
    def look_at_credit(self) -> None:
        """The account page."""
        self.find_user(self.random_user())

    @task(15)
    def add(self) -> None:
        """One more piece into a basket."""
        self.add_item(self.random_order(), self.random_item())

    @task(5)
    def pay(self) -> None:
        """The till. A repeated checkout is a success and charges once."""
        self.check_out(self.random_order())
