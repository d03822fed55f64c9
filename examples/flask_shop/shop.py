"""A small web shop: the application that the demo looks into. It knows nothing of Sonde."""
import itertools
import threading

from flask import Flask, abort, jsonify, request

from pricing import Basket, quote

app = Flask(__name__)
STOCK = {"tea": 350, "coffee": 780, "mug": 1290, "kettle": 4900}
_ids = itertools.count(1)
_lock = threading.Lock()


@app.get("/")
def index():
    return jsonify(stock=STOCK)


@app.get("/order")
def order():
    item = request.args.get("item", "tea")
    quantity = int(request.args.get("quantity", "1"))
    card_number = request.args.get("card", "4111 1111 1111 1111")
    if item not in STOCK:
        abort(404)
    with _lock:
        number = next(_ids)
    basket = Basket(number, item, quantity, STOCK[item])
    total = quote(basket, coupons=["WELCOME"] if number % 3 == 0 else [])
    return jsonify(order=number, item=item, total=total, paid_with=card_number[-4:])


@app.get("/health")
def health():
    return "ok"
