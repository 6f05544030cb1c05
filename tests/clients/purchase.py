"""Makes a whole purchase with a client that knows nothing but the OpenAPI documents.

    purchase.py CLIENT ORIGIN [DOCUMENT ...]

CLIENT is `generated` (by openapi-generator), `aiopenapi3` or `schemathesis`. The documents are paths below ORIGIN:
`/openapi.json` of a standalone, or `/openapi/order.json /openapi/stock.json /openapi/payment.json` behind the gateway.
Ends with 0 where the purchase was made and every answer was as documented.
"""

import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def purchase(call):
    """Buys two pieces of a new item, and looks at what became of them. `call(operation, **parameters)` makes a call
    and returns what it answers: a dictionary or a text."""
    item = call("createItem", price=5)["item_id"]
    call("addStock", item_id=item, amount=10)
    user = call("createUser")["user_id"]
    call("addFunds", user_id=user, amount=100)
    order = call("createOrder", user_id=user)["order_id"]
    call("addItem", order_id=order, item_id=item, quantity=2)
    call("checkout", order_id=order)
    found = call("findOrder", order_id=order)
    assert found["paid"] is True and found["total_cost"] == 10, found
    assert [list(line) for line in found["items"]] == [[item, 2]], found
    left = call("findItem", item_id=item)
    assert left["stock"] == 8, left
    rest = call("findUser", user_id=user)
    assert rest["credit"] == 90, rest


def generated(urls, folder):
    """Calls by the Python clients that openapi-generator makes, each at the server that its document names."""
    sys.path.insert(0, folder)
    apis = []
    for number, url in enumerate(urls):
        package = f"shop{number}"
        generator = [Path(sys.executable).with_name("openapi-generator-cli"), "generate", "--input-spec", url]
        options = ["--generator-name", "python", "--package-name", package, "--output", f"{folder}/{number}"]
        subprocess.run([*generator, *options], check=True, stdout=subprocess.DEVNULL)
        sys.path.insert(0, f"{folder}/{number}")
        module = importlib.import_module(f"{package}.api")
        client = importlib.import_module(package).ApiClient()
        apis += [getattr(module, name)(client) for name in dir(module) if name.endswith("Api")]

    def call(operation, **parameters):
        method = re.sub("([A-Z])", lambda letter: f"_{letter[0].lower()}", operation)
        [api] = [api for api in apis if hasattr(api, method)]
        answer = getattr(api, method)(**parameters)
        return answer.to_dict() if hasattr(answer, "to_dict") else answer

    return call


def aiopenapi3(urls, _folder):
    """Calls by aiopenapi3, which makes its methods while it runs."""
    library = importlib.import_module("aiopenapi3")
    clients = [library.OpenAPI.load_sync(url) for url in urls]
    of_operation = {
        method.operationId: client
        for client in clients
        for path in client.paths.paths.values()
        for method in (path.get, path.post)
        if method is not None
    }

    def call(operation, **parameters):
        answer = getattr(of_operation[operation]._, operation)(parameters=parameters)
        return answer.model_dump() if hasattr(answer, "model_dump") else answer

    return call


def schemathesis(urls, _folder):
    """Calls by schemathesis, which holds each answer against the document."""
    library = importlib.import_module("schemathesis")
    schemas = [library.openapi.from_url(url) for url in urls]
    of_operation = {
        found.ok().definition.raw["operationId"]: found.ok()
        for schema in schemas
        for found in schema.get_all_operations()
    }

    def call(operation, **parameters):
        response = of_operation[operation].Case(path_parameters=parameters).call_and_validate()
        assert response.status_code == 200, response.text
        is_json = response.headers["content-type"][0].startswith("application/json")
        return response.json() if is_json else response.text

    return call


def main():
    client, origin, *documents = sys.argv[1:]
    clients = {make.__name__: make for make in (generated, aiopenapi3, schemathesis)}
    urls = [origin + document for document in documents or ["/openapi.json"]]
    with tempfile.TemporaryDirectory() as folder:
        purchase(clients[client](urls, folder))
    print(f"{client}: a purchase at {origin}")


if __name__ == "__main__":
    main()
