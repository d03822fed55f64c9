/* SPDX-License-Identifier: Apache-2.0
 *
 * shop.py in the fake runtime's notation. */
#include "tests/contract/programs/fake_program.h"

#include <math.h>
#include <stdio.h>

/* --- What the program makes natively -------------------------------------------------------- */

static const char *const item_fields[] = {"name", "price"};
static const char *const cart_fields[] = {"count"};
static const char *const account_fields[] = {"password", "nickname", "city"};
static const char *const sealed_fields[] = {"inside"};
static const char *const tripwire_fields[] = {"armed"};
static const char *const broad_fields[] = {
    "f00", "f01", "f02", "f03", "f04", "f05", "f06", "f07", "f08", "f09",
    "f10", "f11", "f12", "f13", "f14", "f15", "f16", "f17", "f18", "f19",
    "f20", "f21", "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29",
};

static int64_t tripwires; /* guarded by the VM lock */

static struct vm_value
spring(struct vm_object *self)
{
    (void)self;
    tripwires++;
    return VM_NOTHING;
}

static const struct vm_type item_type = {"Item", 2, item_fields, NULL};
static const struct vm_type cart_type = {"Cart", 1, cart_fields, NULL};
static const struct vm_type account_type = {"Account", 3, account_fields, NULL};
static const struct vm_type sealed_type = {"Sealed", 1, sealed_fields, NULL};
static const struct vm_type tripwire_type = {"Tripwire", 1, tripwire_fields, spring};
static const struct vm_type broad_type = {"Broad", 30, broad_fields, NULL};

static struct vm_value
text(struct vm_thread *thread, const char *chars)
{
    size_t units = 0;
    while (chars[units] != '\0') {
        units++;
    }
    return vm_text_new(thread, VM_ASCII, chars, units);
}

static struct vm_value
list_value(struct vm_list *list)
{
    return (struct vm_value){.kind = VM_LIST, .list = list};
}

static struct vm_value
object_value(struct vm_object *object)
{
    return (struct vm_value){.kind = VM_OBJECT, .object = object};
}

static bool
make_order(struct vm_thread *thread, const struct vm_value *n, struct vm_value *result)
{
    struct vm_map *map = vm_map_new(thread, 2);
    map->pairs[0] = (struct vm_pair){text(thread, "price"), *n};
    map->pairs[1] = (struct vm_pair){text(thread, "count"), vm_int(3)};
    *result = (struct vm_value){.kind = VM_MAP, .map = map};
    return true;
}

static bool
make_cart(struct vm_thread *thread, const struct vm_value *unused,
          struct vm_value *result)
{
    (void)unused;
    struct vm_object *cart = vm_object_new(thread, &cart_type);
    cart->fields[0] = vm_int(2);
    *result = object_value(cart);
    return true;
}

static bool
get_count(struct vm_thread *thread, const struct vm_value *cart, struct vm_value *result)
{
    (void)thread;
    *result = cart->object->fields[0];
    return true;
}

static bool
make_wide(struct vm_thread *thread, const struct vm_value *count, struct vm_value *result)
{
    struct vm_list *list = vm_list_new(thread, (size_t)count->integer);
    for (size_t i = 0; i < list->count; i++) {
        list->items[i] = vm_int((int64_t)i);
    }
    *result = list_value(list);
    return true;
}

static bool
make_grid(struct vm_thread *thread, const struct vm_value *count, struct vm_value *result)
{
    struct vm_list *grid = vm_list_new(thread, (size_t)count->integer);
    for (size_t i = 0; i < grid->count; i++) {
        make_wide(thread, count, &grid->items[i]);
    }
    *result = list_value(grid);
    return true;
}

static bool
make_deep(struct vm_thread *thread, const struct vm_value *depth, struct vm_value *result)
{
    *result = vm_int(1);
    for (int64_t i = 0; i < depth->integer; i++) {
        struct vm_list *list = vm_list_new(thread, 1);
        list->items[0] = *result;
        *result = list_value(list);
    }
    return true;
}

static bool
make_pairs(struct vm_thread *thread, const struct vm_value *count,
           struct vm_value *result)
{
    static char keys[150][5];
    struct vm_map *map = vm_map_new(thread, (size_t)count->integer);
    for (size_t i = 0; i < map->count; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%03u", (unsigned)i % 1000);
        map->pairs[i] = (struct vm_pair){text(thread, keys[i]), vm_int((int64_t)i)};
    }
    *result = (struct vm_value){.kind = VM_MAP, .map = map};
    return true;
}

static bool
make_broad(struct vm_thread *thread, const struct vm_value *unused,
           struct vm_value *result)
{
    (void)unused;
    struct vm_object *broad = vm_object_new(thread, &broad_type);
    for (size_t i = 0; i < broad_type.field_count; i++) {
        broad->fields[i] = vm_int((int64_t)i);
    }
    *result = object_value(broad);
    return true;
}

static bool
make_ring(struct vm_thread *thread, const struct vm_value *unused,
          struct vm_value *result)
{
    (void)unused;
    struct vm_list *ring = vm_list_new(thread, 1);
    ring->items[0] = list_value(ring);
    *result = list_value(ring);
    return true;
}

static bool
make_item(struct vm_thread *thread, const struct vm_value *price, struct vm_value *result)
{
    struct vm_object *item = vm_object_new(thread, &item_type);
    item->fields[0] = text(thread, "pen");
    item->fields[1] = *price;
    *result = object_value(item);
    return true;
}

static bool
make_config(struct vm_thread *thread, const struct vm_value *unused,
            struct vm_value *result)
{
    (void)unused;
    struct vm_map *map = vm_map_new(thread, 2);
    map->pairs[0] =
        (struct vm_pair){text(thread, "auth-token"), text(thread, "hunter2-entry")};
    map->pairs[1] =
        (struct vm_pair){text(thread, "plain"), text(thread, "visible-entry")};
    *result = (struct vm_value){.kind = VM_MAP, .map = map};
    return true;
}

static bool
make_account(struct vm_thread *thread, const struct vm_value *unused,
             struct vm_value *result)
{
    (void)unused;
    struct vm_object *account = vm_object_new(thread, &account_type);
    account->fields[0] = text(thread, "hunter2-field");
    account->fields[1] = text(thread, "hunter2-nick");
    account->fields[2] = text(thread, "visible-city");
    *result = object_value(account);
    return true;
}

static bool
make_sealed(struct vm_thread *thread, const struct vm_value *unused,
            struct vm_value *result)
{
    (void)unused;
    struct vm_object *sealed = vm_object_new(thread, &sealed_type);
    sealed->fields[0] = text(thread, "hunter2-sealed");
    *result = object_value(sealed);
    return true;
}

static bool
make_tripwire(struct vm_thread *thread, const struct vm_value *unused,
              struct vm_value *result)
{
    (void)unused;
    struct vm_object *trap = vm_object_new(thread, &tripwire_type);
    trap->fields[0] = vm_int(7);
    *result = object_value(trap);
    return true;
}

static bool
make_traps(struct vm_thread *thread, const struct vm_value *trap, struct vm_value *result)
{
    struct vm_map *map = vm_map_new(thread, 1);
    map->pairs[0] = (struct vm_pair){text(thread, "trap"), *trap};
    struct vm_list *list = vm_list_new(thread, 2);
    list->items[0] = *trap;
    list->items[1] = (struct vm_value){.kind = VM_MAP, .map = map};
    *result = list_value(list);
    return true;
}

static bool
count_tripwires(struct vm_thread *thread, const struct vm_value *unused,
                struct vm_value *result)
{
    (void)thread;
    (void)unused;
    *result = vm_int(tripwires);
    return true;
}

static bool
native_floor(struct vm_thread *thread, const struct vm_value *number,
             struct vm_value *result)
{
    (void)thread;
    *result = vm_int((int64_t)floor(number->decimal));
    return true;
}

/* --- The program ------------------------------------------------------------------------------ */

/* One line of the source is one of the program. */
/* clang-format off */
static const struct vm_line add[] = {
    DO(VM_CALL, .to = "held", .name = "get_count", .a = VAR("self")),
    DO(VM_ADD, .to = "whole", .a = VAR("held"), .b = VAR("n")),
    DO(VM_RETURN, .a = VAR("whole")),
};

static const struct vm_line total[] = {
    DO(VM_GET, .to = "price", .a = VAR("order"), .b = TEXT("price")),
    DO(VM_GET, .to = "count", .a = VAR("order"), .b = TEXT("count")),
    DO(VM_MUL, .to = "base", .a = VAR("price"), .b = VAR("count")),
    DO(VM_SET, .to = "fee", .a = INT(2)), /* LINE_FEE */
    /* LINE_COMMENT: nothing runs here. */
    DO(VM_ADD, .to = "result", .a = VAR("base"), .b = VAR("fee")), /* LINE_TOTAL */
    /* LINE_BEFORE_BLANK */

    DO(VM_ADD, .to = "result", .a = VAR("result"), .b = VAR("tax")), /* LINE_TAX */
    DO(VM_RETURN, .a = VAR("result")),
};

static const struct vm_line checkout[] = {
    DO(VM_CALL, .to = "order", .name = "make_order", .a = VAR("n")),
    DO(VM_CALL, .to = "due", .name = "total", .a = VAR("order"), .b = INT(1)), /* LINE_CHECKOUT */
    DO(VM_RETURN, .a = VAR("due")),
};

static const struct vm_line add_to_cart[] = {
    DO(VM_CALL, .to = "cart", .name = "make_cart"),
    DO(VM_CALL, .to = "whole", .name = "Cart.add", .a = VAR("cart"), .b = VAR("n")),
    DO(VM_RETURN, .a = VAR("whole")),
};

static const struct vm_line rebind[] = {
    DO(VM_ADD, .to = "n", .a = VAR("n"), .b = INT(100)),
    DO(VM_SET, .to = "copy", .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("copy")),
};

static const struct vm_line slow[] = {
    DO(VM_SLEEP, .a = INT(20000)),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line fail[] = {
    DO(VM_RAISE, .name = "ValueError", .a = TEXT("no item today")), /* LINE_RAISE */
};

static const struct vm_line guarded[] = {
    DO(VM_TRY, .go = "caught"),
    DO(VM_CALL, .to = "n", .name = "fail", .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("n")),
    DO(VM_ADD, .label = "caught", .to = "n", .a = VAR("n"), .b = INT(1)),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line catches[] = {
    DO(VM_TRY, .go = "caught"),
    DO(VM_RAISE, .name = "ValueError", .a = TEXT("caught inside")),
    DO(VM_ADD, .label = "caught", .to = "n", .a = VAR("n"), .b = INT(1)),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line sum_to[] = {
    DO(VM_IF_LESS, .go = "end", .a = VAR("n"), .b = INT(1)),
    DO(VM_ADD, .to = "less", .a = VAR("n"), .b = INT(-1)),
    DO(VM_CALL, .to = "below", .name = "sum_to", .a = VAR("less")), /* LINE_RECURSION */
    DO(VM_ADD, .to = "result", .a = VAR("below"), .b = VAR("n")),
    DO(VM_RETURN, .a = VAR("result")),
    DO(VM_RETURN, .label = "end", .a = INT(0)),
};

static const struct vm_line turns[] = {
    DO(VM_SET, .to = "first", .a = VAR("n")),
    DO(VM_YIELD),
    DO(VM_ADD, .to = "second", .a = VAR("first"), .b = VAR("n")), /* LINE_TURNS */
    DO(VM_YIELD),
    DO(VM_RETURN, .a = VAR("second")),
};

static const struct vm_line loop[] = {
    DO(VM_SET, .to = "i", .a = INT(0)),
    DO(VM_IF_LESS, .label = "again", .go = "body", .a = VAR("i"), .b = VAR("n")),
    DO(VM_RETURN, .a = VAR("i")),
    DO(VM_ADD, .label = "body", .to = "i", .a = VAR("i"), .b = INT(1)), /* LINE_LOOP */
    DO(VM_JUMP, .go = "again"),
};

static const struct vm_line set_running[] = {
    DO(VM_SET, .to = "running", .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line spin[] = {
    DO(VM_SET, .to = "i", .a = INT(0)), /* LINE_START */
    DO(VM_IF_LESS, .label = "again", .go = "body", .a = INT(0), .b = VAR("running")),
    DO(VM_RETURN, .a = VAR("i")),
    DO(VM_ADD, .label = "body", .to = "i", .a = VAR("i"), .b = INT(1)), /* LINE_SPIN */
    DO(VM_SLEEP, .a = VAR("n")),
    DO(VM_JUMP, .go = "again"),
};

static const struct vm_line nap[] = {
    DO(VM_SLEEP, .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line waits[] = {
    DO(VM_IF_LESS, .go = "leaf", .a = VAR("n"), .b = INT(10)),
    DO(VM_ADD, .to = "less", .a = VAR("n"), .b = INT(-10)),
    DO(VM_CALL, .to = "less", .name = "wait_begin", .a = VAR("less")),
    DO(VM_WAIT, .label = "leaf", .a = VAR("n")), /* LINE_WAIT */
    DO(VM_SLEEP, .a = INT(5000)),
    DO(VM_ADD, .to = "next", .a = VAR("n"), .b = INT(1)),
    DO(VM_WAIT, .a = VAR("next")),
    DO(VM_ADD, .to = "next", .a = VAR("n"), .b = VAR("n")),
    DO(VM_RETURN, .a = VAR("next")),
};

static const struct vm_line wait_begin[] = {
    DO(VM_BEGIN, .to = "given", .name = "waits", .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("given")),
};

static const struct vm_line wait_go_on[] = {
    DO(VM_GO_ON, .to = "given", .a = VAR("n")),
    DO(VM_RETURN, .a = VAR("given")),
};

static const struct vm_line wait_throw[] = {
    DO(VM_GO_ON, .to = "given", .a = VAR("n"), .name = "ValueError"),
    DO(VM_RETURN, .a = VAR("given")),
};

static const struct vm_line wait_close[] = {
    DO(VM_GO_ON, .to = "given", .a = VAR("n"), .name = vm_closed),
    DO(VM_RETURN, .a = VAR("n")),
};

static const struct vm_line wait_cancel[] = {
    DO(VM_GO_ON, .to = "given", .a = VAR("n"), .name = vm_cancelled),
    DO(VM_RETURN, .a = VAR("n")),
};

static const char long_text[] =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
static const uint16_t kanji[] = {0x65e5, 0x672c};
static const uint32_t smile[] = {0x1f642};

static const struct vm_line shapes[] = {
    DO(VM_SET, .to = "nothing", .a = NIL),
    DO(VM_SET, .to = "yes", .a = BOOL(true)),
    DO(VM_SET, .to = "no", .a = BOOL(false)),
    DO(VM_SET, .to = "half", .a = FLOAT(0.5)),
    DO(VM_SET, .to = "plain", .a = TEXT("plain")),
    DO(VM_SET, .to = "accents", .a = CODED(VM_LATIN1, "d\xe9j\xe0", 4)),
    DO(VM_SET, .to = "kanji", .a = CODED(VM_UCS2, kanji, 2)),
    DO(VM_SET, .to = "smile", .a = CODED(VM_UCS4, smile, 1)),
    DO(VM_SET, .to = "raw", .a = CODED(VM_BYTES, "\0A\xff", 3)),
    DO(VM_SET, .to = "long", .a = TEXT(long_text)),
    DO(VM_CALL, .to = "wide", .name = "make_wide", .a = INT(150)),
    DO(VM_CALL, .to = "deep", .name = "make_deep", .a = INT(6)),
    DO(VM_CALL, .to = "pairs", .name = "make_pairs", .a = INT(150)),
    DO(VM_CALL, .to = "broad", .name = "make_broad"),
    DO(VM_CALL, .to = "ring", .name = "make_ring"),
    DO(VM_CALL, .to = "item", .name = "make_item", .a = INT(3)),
    DO(VM_RETURN, .a = VAR("n")), /* LINE_SHAPES */
};

static const struct vm_line huge[] = {
    DO(VM_CALL, .to = "grid", .name = "make_grid", .a = INT(300)),
    DO(VM_RETURN, .a = VAR("n")), /* LINE_HUGE */
};

static const struct vm_line secrets[] = {
    DO(VM_SET, .to = "password", .a = TEXT("hunter2-local")),
    DO(VM_SET, .to = "api_key", .a = TEXT("hunter2-key")),
    DO(VM_CALL, .to = "config", .name = "make_config"),
    DO(VM_CALL, .to = "account", .name = "make_account"),
    DO(VM_SET, .to = "nickname", .a = TEXT("hunter2-nick")),
    DO(VM_SET, .to = "session", .a = TEXT("visible-session")),
    DO(VM_CALL, .to = "sealed", .name = "make_sealed"),
    DO(VM_RETURN, .a = VAR("n")), /* LINE_SECRETS */
};

static const struct vm_line snares[] = {
    DO(VM_CALL, .to = "trap", .name = "make_tripwire"),
    DO(VM_CALL, .to = "traps", .name = "make_traps", .a = VAR("trap")),
    DO(VM_RETURN, .a = VAR("n")), /* LINE_SNARES */
};

static const struct vm_line start[] = {
    DO(VM_SET, .to = "running", .a = INT(0)),
    DO(VM_SET, .to = "started", .a = INT(1)), /* LINE_MODULE */
    DO(VM_RETURN, .a = NIL),
};

static const struct vm_function functions[] = {
    FUNCTION("<program>", 0, start, NULL),
    FUNCTION("Cart.add", 2, add, "self", "n", "held", "whole"),
    FUNCTION("total", 2, total, "order", "tax", "price", "count", "base", "fee", "result"),
    FUNCTION("checkout", 1, checkout, "n", "order", "due"),
    FUNCTION("add_to_cart", 1, add_to_cart, "n", "cart", "whole"),
    FUNCTION("rebind", 1, rebind, "n", "copy"),
    FUNCTION("slow", 1, slow, "n"),
    FUNCTION("fail", 1, fail, "n"),
    FUNCTION("guarded", 1, guarded, "n"),
    FUNCTION("catches", 1, catches, "n"),
    FUNCTION("sum_to", 1, sum_to, "n", "less", "below", "result"),
    FUNCTION("turns", 1, turns, "n", "first", "second"),
    FUNCTION("loop", 1, loop, "n", "i"),
    FUNCTION("set_running", 1, set_running, "n"),
    FUNCTION("spin", 1, spin, "n", "i"),
    FUNCTION("nap", 1, nap, "n"),
    FUNCTION("waits", 1, waits, "n", "less", "next"),
    FUNCTION("wait_begin", 1, wait_begin, "n", "given"),
    FUNCTION("wait_go_on", 1, wait_go_on, "n", "given"),
    FUNCTION("wait_throw", 1, wait_throw, "n", "given"),
    FUNCTION("wait_close", 1, wait_close, "n", "given"),
    FUNCTION("wait_cancel", 1, wait_cancel, "n", "given"),
    FUNCTION("shapes", 1, shapes, "n", "nothing", "yes", "no", "half", "plain", "accents", "kanji",
             "smile", "raw", "long", "wide", "deep", "pairs", "broad", "ring", "item"),
    FUNCTION("huge", 1, huge, "n", "grid"),
    FUNCTION("secrets", 1, secrets, "n", "password", "api_key", "config", "account",
             "nickname", "session", "sealed"),
    FUNCTION("snares", 1, snares, "n", "trap", "traps"),
    /* clang-format on */
    NATIVE("get_count", get_count),
    NATIVE("make_order", make_order),
    NATIVE("make_cart", make_cart),
    NATIVE("make_wide", make_wide),
    NATIVE("make_grid", make_grid),
    NATIVE("make_deep", make_deep),
    NATIVE("make_pairs", make_pairs),
    NATIVE("make_broad", make_broad),
    NATIVE("make_ring", make_ring),
    NATIVE("make_item", make_item),
    NATIVE("make_config", make_config),
    NATIVE("make_account", make_account),
    NATIVE("make_sealed", make_sealed),
    NATIVE("make_tripwire", make_tripwire),
    NATIVE("make_traps", make_traps),
    NATIVE("tripwire_count", count_tripwires),
    NATIVE("native_floor", native_floor),
};

const struct vm_program fake_shop = {
    .file = CONTRACT_DIR "/programs/shop_fake.c",
    .module = "shop",
    .globals = {"running", "started"},
    .functions = functions,
    .function_count = COUNT(functions),
};
