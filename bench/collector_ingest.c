/* SPDX-License-Identifier: Apache-2.0
 *
 * How many snapshots a second the collector makes durable: sends OTLP batches over a few
 * connections, each waiting for its acknowledgement before the next, and counts what was
 * acknowledged. The values are random words and numbers, so that compression gains what
 * it gains on real values; ids count upwards per sender, as the agent's do.
 *
 * Usage: collector_ingest URL [connections] [seconds] [batch] [bytes] [gzip|plain] */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/capture/snapshot.h"
#include "core/wire/gzip.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDERS_MAX 256
#define BATCH_MAX 1000
#define WORDS 4096
#define ID_BYTES 32
#define TEMPLATES 16 /* per sender, so that consecutive bodies differ */
#define LATENCIES 200000

struct template_body {
    struct sonde_buf body;
    size_t ids[BATCH_MAX]; /* where each snapshot's id stands */
};

struct sender {
    pthread_t thread;
    unsigned number;
    uint64_t random;
    uint64_t next_id;
    struct template_body templates[TEMPLATES];
    uint64_t acknowledged;
    uint64_t refused;
    double *latencies_ms;
    size_t latency_count;
};

static struct {
    char host[128], port[8];
    unsigned senders, seconds, batch, bytes;
    bool gzip;
} settings = {.senders = 8, .seconds = 10, .batch = 50, .bytes = 4096};

static char words[WORDS][12];
static atomic_bool is_over;

static void
die(const char *what)
{
    fprintf(stderr, "collector_ingest: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- Bodies ------------------------------------------------------------------------- */

static void
make_words(void)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < WORDS; i++) {
        size_t len = 3 + next_random(&random) % 8;
        for (size_t j = 0; j < len; j++) {
            words[i][j] = (char)('a' + next_random(&random) % 26);
        }
    }
}

static struct sonde_str
any_word(struct sender *sender)
{
    return sonde_str_from(words[next_random(&sender->random) % WORDS]);
}

static void
add_member(struct sonde_buf *out, const char *key, struct sonde_str value)
{
    size_t member = sonde_otlp_member_begin(out, sonde_str_from(key));
    sonde_otlp_any_str(out, SONDE_OTLP_MEMBER_VALUE, value);
    sonde_otlp_member_end(out, member);
}

/* {type, value}: a text of a few words, or a number. */
static void
add_value(struct sonde_buf *out, struct sender *sender, struct sonde_str name)
{
    char text[160];
    size_t len = 0;
    size_t member = sonde_otlp_member_begin(out, name);
    struct sonde_otlp_nest value = sonde_otlp_kvlist_begin(out, SONDE_OTLP_MEMBER_VALUE);
    bool is_number = next_random(&sender->random) % 3 == 0;
    if (is_number) {
        len = (size_t)snprintf(text, sizeof(text), "%llu",
                               (unsigned long long)next_random(&sender->random) >> 24);
    }
    for (size_t i = 0; !is_number && i < 8; i++) {
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s ", any_word(sender).ptr);
    }
    add_member(out, "type", is_number ? SONDE_STR("int") : SONDE_STR("str"));
    add_member(out, "value", (struct sonde_str){text, len});
    sonde_otlp_nest_end(out, value);
    sonde_otlp_member_end(out, member);
}

static void
add_stack(struct sonde_buf *out, struct sender *sender)
{
    size_t member = sonde_otlp_member_begin(out, SONDE_STR("stack"));
    struct sonde_otlp_nest list = sonde_otlp_array_begin(out, SONDE_OTLP_MEMBER_VALUE);
    for (int i = 0; i < 8; i++) {
        char file[64];
        struct sonde_otlp_nest frame =
            sonde_otlp_kvlist_begin(out, SONDE_OTLP_ARRAY_VALUE);
        snprintf(file, sizeof(file), "/srv/app/%s/%s.py", any_word(sender).ptr,
                 any_word(sender).ptr);
        add_member(out, "file", sonde_str_from(file));
        add_member(out, "function", any_word(sender));
        size_t line = sonde_otlp_member_begin(out, SONDE_STR("line"));
        sonde_otlp_any_int(out, SONDE_OTLP_MEMBER_VALUE,
                           (int64_t)(next_random(&sender->random) % 900));
        sonde_otlp_member_end(out, line);
        sonde_otlp_nest_end(out, frame);
    }
    sonde_otlp_nest_end(out, list);
    sonde_otlp_member_end(out, member);
}

static void
add_record(struct sonde_otlp_request *request, struct sender *sender)
{
    static const char id[] = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
    struct sonde_buf *out = request->out;
    size_t start = out->len;
    int64_t now_ns = sonde_clock_wall_ns();
    size_t record = sonde_otlp_record_begin(request, now_ns, now_ns,
                                            SONDE_OTLP_EVENT_SNAPSHOT, NULL, NULL);
    const uint32_t attr = SONDE_OTLP_RECORD_ATTR;
    sonde_otlp_attr_str(out, attr, SONDE_ATTR_SNAPSHOT_ID, sonde_str_from(id));
    sonde_otlp_attr_str(out, attr, SONDE_ATTR_PROBE_ID, SONDE_STR("p-bench"));
    sonde_otlp_attr_int(out, attr, SONDE_ATTR_PROBE_REVISION, 1);
    sonde_otlp_attr_str(out, attr, SONDE_ATTR_FILE, SONDE_STR("/srv/app/orders.py"));
    sonde_otlp_attr_int(out, attr, SONDE_ATTR_LINE, 42);
    sonde_otlp_attr_str(out, attr, SONDE_ATTR_FUNCTION, SONDE_STR("place_order"));
    sonde_otlp_attr_int(out, attr, SONDE_ATTR_THREAD_ID, 4711);
    sonde_otlp_attr_str(out, attr, SONDE_ATTR_THREAD_NAME, SONDE_STR("worker-3"));
    struct sonde_otlp_nest body = sonde_otlp_kvlist_begin(out, SONDE_OTLP_RECORD_BODY);
    add_stack(out, sender);
    size_t captures = sonde_otlp_member_begin(out, SONDE_STR("captures"));
    struct sonde_otlp_nest locals = sonde_otlp_kvlist_begin(out, SONDE_OTLP_MEMBER_VALUE);
    while (out->len - start < settings.bytes - 64) {
        add_value(out, sender, any_word(sender));
    }
    sonde_otlp_nest_end(out, locals);
    sonde_otlp_member_end(out, captures);
    sonde_otlp_nest_end(out, body);
    sonde_otlp_record_end(request, record);
}

static void
make_template(struct template_body *template, struct sender *sender)
{
    struct sonde_buf resource;
    struct sonde_otlp_request request;
    sonde_buf_init(&resource, 0);
    sonde_otlp_attr_str(&resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_SERVICE,
                        SONDE_STR("bench"));
    sonde_otlp_attr_str(&resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_LANGUAGE,
                        SONDE_STR("python"));
    sonde_otlp_attr_int(&resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_PID,
                        1000 + (int64_t)sender->number);
    sonde_buf_init(&template->body, 0);
    sonde_otlp_request_begin(&request, &template->body, sonde_buf_view(&resource));
    for (unsigned i = 0; i < settings.batch; i++) {
        add_record(&request, sender);
    }
    sonde_otlp_request_end(&request);
    sonde_buf_fini(&resource);
    if (template->body.failed != SONDE_OK) {
        die("out of memory");
    }
    const char *at = template->body.data;
    const char *end = at + template->body.len;
    for (unsigned i = 0; i < settings.batch; i++) {
        at = memmem(at, (size_t)(end - at), "@@@@@@@@", 8);
        template->ids[i] = (size_t)(at - template->body.data);
        at += ID_BYTES;
    }
}

/* --- HTTP --------------------------------------------------------------------------- */

static int
dial(void)
{
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int failed = getaddrinfo(settings.host, settings.port, &hints, &found);
    if (failed != 0) {
        fprintf(stderr, "collector_ingest: %s: %s\n", settings.host,
                gai_strerror(failed));
        exit(1);
    }
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        die("connect");
    }
    int on = 1; /* head and body leave in two writes */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    return fd;
}

static void
send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0) {
            die("send");
        }
        data += sent;
        len -= (size_t)sent;
    }
}

/* Reads one answer with a Content-Length; returns its status. */
static int
read_answer(int fd)
{
    char text[4096];
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0) {
            die("recv");
        }
        len += (size_t)got;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        char *length = strcasestr(text, "content-length:");
        if (end != NULL && length != NULL &&
            len >= (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10)) {
            return atoi(text + 9);
        }
        if (len == sizeof(text) - 1) {
            die("the answer is too long");
        }
    }
}

/* Gives every snapshot of the body an id of its own. */
static void
stamp(struct sender *sender, struct template_body *template)
{
    char id[ID_BYTES + 1];
    for (unsigned i = 0; i < settings.batch; i++) {
        snprintf(id, sizeof(id), "%08x%08x%016llx", (unsigned)getpid(), sender->number,
                 (unsigned long long)sender->next_id++);
        memcpy(template->body.data + template->ids[i], id, ID_BYTES);
    }
}

static void *
run_sender(void *arg)
{
    struct sender *sender = arg;
    struct sonde_buf zipped;
    char head[512];
    int fd = dial();
    sonde_buf_init(&zipped, 0);
    for (unsigned round = 0; !is_over; round++) {
        struct template_body *template = &sender->templates[round % TEMPLATES];
        struct sonde_buf *body = &template->body;
        stamp(sender, template);
        if (settings.gzip) {
            sonde_buf_reset(&zipped);
            sonde_gzip_append(&zipped, sonde_buf_view(body));
            body = &zipped;
        }
        int64_t start_ns = sonde_clock_mono_ns();
        snprintf(head, sizeof(head),
                 "POST /v1/logs HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: "
                 "application/x-protobuf\r\n%sContent-Length: %zu\r\n\r\n",
                 settings.host, settings.port,
                 settings.gzip ? "Content-Encoding: gzip\r\n" : "", body->len);
        send_all(fd, head, strlen(head));
        send_all(fd, body->data, body->len);
        if (read_answer(fd) != 200) {
            sender->refused += settings.batch;
            continue;
        }
        sender->acknowledged += settings.batch;
        if (sender->latency_count < LATENCIES) {
            sender->latencies_ms[sender->latency_count++] =
                (double)(sonde_clock_mono_ns() - start_ns) / 1e6;
        }
    }
    sonde_buf_fini(&zipped);
    close(fd);
    return NULL;
}

/* --- The whole ---------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void
report(struct sender *senders, double seconds)
{
    uint64_t acknowledged = 0;
    uint64_t refused = 0;
    size_t count = 0;
    for (unsigned i = 0; i < settings.senders; i++) {
        acknowledged += senders[i].acknowledged;
        refused += senders[i].refused;
        count += senders[i].latency_count;
    }
    double *all = calloc(count + 1, sizeof(*all));
    if (all == NULL) {
        die("out of memory");
    }
    size_t at = 0;
    for (unsigned i = 0; i < settings.senders; i++) {
        memcpy(all + at, senders[i].latencies_ms,
               senders[i].latency_count * sizeof(*all));
        at += senders[i].latency_count;
    }
    qsort(all, count, sizeof(*all), compare);
    printf("%.0f snapshots/s acknowledged (%llu in %.1f s, %llu refused; %u of about %u "
           "bytes "
           "a request, %u connections%s)\n",
           (double)acknowledged / seconds, (unsigned long long)acknowledged, seconds,
           (unsigned long long)refused, settings.batch, settings.bytes, settings.senders,
           settings.gzip ? ", gzip" : "");
    printf("acknowledged after p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n",
           all[count / 2], all[count - count / 100 - (count > 0)],
           count > 0 ? all[count - 1] : 0);
    free(all);
}

static void
read_arguments(int argc, char **argv)
{
    unsigned *numbers[] = {&settings.senders, &settings.seconds, &settings.batch,
                           &settings.bytes};
    if (argc < 2 ||
        sscanf(argv[1], "http://%127[^:]:%7[0-9]", settings.host, settings.port) != 2) {
        fprintf(stderr,
                "usage: collector_ingest http://HOST:PORT [connections] [seconds] "
                "[batch] [bytes] [gzip|plain]\n");
        exit(2);
    }
    for (int i = 2; i < argc && i < 6; i++) {
        *numbers[i - 2] = (unsigned)atoi(argv[i]);
    }
    settings.gzip = argc > 6 && strcmp(argv[6], "gzip") == 0;
    if (settings.senders < 1 || settings.senders > SENDERS_MAX || settings.batch < 1 ||
        settings.batch > BATCH_MAX || settings.bytes < 1024) {
        fprintf(stderr, "collector_ingest: a number is out of range\n");
        exit(2);
    }
}

int
main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_words();
    struct sender *senders = calloc(settings.senders, sizeof(*senders));
    if (senders == NULL) {
        die("out of memory");
    }
    for (unsigned i = 0; i < settings.senders; i++) {
        senders[i].number = i;
        senders[i].random = UINT64_C(0x2545f4914f6cdd1d) * (i + 1);
        senders[i].latencies_ms = calloc(LATENCIES, sizeof(double));
        for (unsigned t = 0; t < TEMPLATES; t++) {
            make_template(&senders[i].templates[t], &senders[i]);
        }
    }
    int64_t start_ns = sonde_clock_mono_ns();
    for (unsigned i = 0; i < settings.senders; i++) {
        if (pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]) != 0) {
            die("pthread_create");
        }
    }
    sleep(settings.seconds);
    is_over = true;
    for (unsigned i = 0; i < settings.senders; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    report(senders, (double)(sonde_clock_mono_ns() - start_ns) / 1e9);
    return 0;
}
