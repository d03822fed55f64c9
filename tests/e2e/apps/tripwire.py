"""Objects whose every method raises, and counts that it was called."""
import time

CALLS = []


def trip(name):
    def method(*args, **kwargs):
        CALLS.append(name)
        raise RuntimeError(f"{name} was called")
    return method


NAMES = """__repr__ __str__ __len__ __iter__ __getitem__ __contains__ __eq__ __ne__ __hash__ __bool__ __call__
__format__ __bytes__ __int__ __float__ __index__ __next__ __reversed__ __dir__ __sizeof__ __reduce_ex__
__enter__ __exit__ __lt__ __gt__ __copy__ __getattr__ __get__ __set__ __instancecheck__""".split()
BODY = {name: trip(name) for name in NAMES}


class Meta(type):
    def __getattribute__(cls, name):
        if name.startswith("__init") or name in ("__new__", "__abstractmethods__"):
            return super().__getattribute__(name)
        CALLS.append("meta " + name)
        raise RuntimeError(name)

    __repr__ = trip("meta __repr__")
    __hash__ = type.__hash__


def make(name, *bases):
    body = dict(BODY)
    body["__getattribute__"] = trip("__getattribute__")
    body["__class__"] = property(trip("__class__"))
    for method in ("items", "keys", "values", "get", "encode", "decode", "bit_length", "args", "isoformat"):
        body[method] = property(trip(method))
    return type(name, bases, body)


Plain = make("Plain")
Dict, List, Str, Int = (make(t.__name__.title(), t) for t in (dict, list, str, int))
Tuple, Set, Bytes, Float = (make(t.__name__.title(), t) for t in (tuple, set, bytes, float))
Error = make("Error", ValueError)
Metaed = Meta("Metaed", (), {"__getattribute__": trip("__getattribute__")})


def fill(thing, **fields):
    for key, value in fields.items():
        object.__setattr__(thing, key, value)
    return thing


def work():
    plain = fill(Plain(), number=1, word="one")
    mapping = Dict({"a": 1})
    items = List([1, 2])
    text = Str("text")
    whole = Int(7)
    pair = Tuple((1, 2))
    group = Set({5})
    raw = Bytes(b"raw")
    real = Float(1.5)
    error = Error("message")
    strange = fill(Metaed(), number=2)
    return None  # PROBE


while True:
    work()
    if CALLS:
        print("TRIPPED", CALLS, flush=True)
        break
    time.sleep(0.05)
