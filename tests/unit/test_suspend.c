/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames that are suspended and go on. PY-05: the time between is told apart from the time
 * that the function runs; PY-04: what is known of a frame is the frame's, whichever thread
 * runs it. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/capture/tape_reader.h"
#include "core/probe/definition.h"
#include "core/probe/inflight.h"
#include "core/probe/site.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define BIT_NS \
    (2 * SONDE_NS_PER_MS) /* what can not be taken for the time between two calls */

struct fixture {
    struct sonde_recorder recorder;
    struct sonde_probe *probe;
    struct sonde_site *site, *other;
};

static int
setup(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof(*fixture));
    const struct sonde_recorder_options options = {
        .queue_bytes = 1 << 20, .snapshots_per_second = 1e6, .cpu_percent = 100000};
    assert_int_equal(sonde_recorder_init(&fixture->recorder, &options, NULL), SONDE_OK);
    struct sonde_probe_def def;
    sonde_probe_def_init(&def);
    def.at = SONDE_AT_EXIT;
    def.rate = 1e6;
    const struct sonde_finding_entry found = {.file = SONDE_STR("a"),
                                              .function = SONDE_STR("f")};
    fixture->probe = sonde_probe_new(&def, &fixture->recorder);
    fixture->site = sonde_site_new(fixture->probe, &found);
    fixture->other = sonde_site_new(fixture->probe, &found);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    sonde_recorder_fini(&fixture->recorder);
    sonde_site_unref(fixture->site);
    sonde_site_unref(fixture->other);
    sonde_probe_unref(fixture->probe);
    test_free(fixture);
    return 0;
}

static bool
enter(struct sonde_site *site, uint64_t frame)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_entry(&hit, site, frame)) {
        return false;
    }
    sonde_tape_thread(hit.tape, frame, SONDE_STR("")); /* tells the records apart */
    sonde_hit_commit(&hit);
    return true;
}

static bool
leave(struct sonde_site *site, uint64_t frame)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_exit(&hit, site, frame)) {
        return false;
    }
    sonde_tape_section_begin(hit.tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(hit.tape, SONDE_OUTCOME_RETURNED);
    sonde_tape_section_end(hit.tape);
    sonde_hit_commit(&hit);
    return true;
}

/* What the next record says. */
struct said {
    uint64_t frame;
    int64_t duration_ns, suspended_ns, running_ns;
};

static struct said
take(struct fixture *fixture)
{
    struct sonde_ring *ring = &fixture->recorder.ring;
    uint64_t cursor = sonde_ring_cursor(ring);
    size_t len;
    const void *data = sonde_ring_peek(ring, &cursor, &len);
    assert_non_null(data);
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
    assert_int_equal(sonde_tape_reader_init(&reader, (struct sonde_str){data, len}),
                     SONDE_OK);
    assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
    assert_int_equal(event.kind, SONDE_TAPE_THREAD);
    struct said said = {event.id, reader.header.duration_ns, reader.header.suspended_ns,
                        reader.header.duration_ns - reader.header.suspended_ns};
    sonde_ring_release(ring, cursor);
    assert_true(said.suspended_ns >= -1 && said.suspended_ns <= said.duration_ns);
    return said;
}

static bool
is_queue_empty(struct fixture *fixture)
{
    uint64_t cursor = sonde_ring_cursor(&fixture->recorder.ring);
    size_t len;
    return sonde_ring_peek(&fixture->recorder.ring, &cursor, &len) == NULL;
}

/* Lets a bit of time pass, and returns when it is over. */
static int64_t
pass_time(void)
{
    int64_t until_ns = sonde_clock_mono_ns() + BIT_NS, now_ns;
    do {
        now_ns = sonde_clock_mono_ns();
    } while (now_ns < until_ns);
    return now_ns;
}

/* --- One frame ---------------------------------------------------------------------------- */

static void
test_PY_05_suspended_time_is_told_apart(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    int64_t suspended_ns = 0;
    for (int i = 0; i < 3; i++) {
        pass_time(); /* it runs */
        int64_t before_ns = sonde_clock_mono_ns();
        sonde_hit_suspend(fixture->site, 1);
        pass_time();
        sonde_hit_resume(fixture->site, 1);
        suspended_ns += sonde_clock_mono_ns() - before_ns;
    }
    assert_true(leave(fixture->site, 1));
    struct said said = take(fixture);
    assert_true(said.suspended_ns >= 3 * BIT_NS);
    assert_true(said.suspended_ns <= suspended_ns);
    assert_true(said.running_ns >= 3 * BIT_NS);
}

static void
test_PY_05_never_suspended_is_not_suspended_for_no_time(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_hit_resume(fixture->site, 1); /* runs already */
    assert_true(leave(fixture->site, 1));
    assert_int_equal(take(fixture).suspended_ns, -1);
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    sonde_hit_resume(fixture->site, 1);
    assert_true(leave(fixture->site, 1));
    assert_true(take(fixture).suspended_ns >= 0);
}

static void
test_PY_05_twice_is_once(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    pass_time();
    sonde_hit_suspend(fixture->site, 1); /* counts from the first */
    int64_t before_ns = sonde_clock_mono_ns();
    sonde_hit_resume(fixture->site, 1);
    int64_t resumed_ns = sonde_clock_mono_ns() - before_ns;
    pass_time();
    sonde_hit_resume(fixture->site, 1); /* ends nothing */
    assert_true(leave(fixture->site, 1));
    struct said said = take(fixture);
    assert_true(said.suspended_ns >= BIT_NS);
    assert_true(said.running_ns >= BIT_NS - resumed_ns);
}

static void
test_PY_05_exit_ends_a_suspension(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    for (int i = 0; i < 2; i++) { /* one that was resumed, one that was not */
        sonde_hit_suspend(fixture->site, 1);
        pass_time();
        if (i == 0) {
            sonde_hit_resume(fixture->site, 1);
        }
    }
    assert_true(leave(fixture->site, 1));
    assert_true(take(fixture).suspended_ns >= 2 * BIT_NS);
}

static void
test_PY_05_without_an_entry_nothing_happens(void **state)
{
    struct fixture *fixture = *state;
    errno = EDOM;
    sonde_hit_suspend(fixture->site, 1);
    sonde_hit_resume(fixture->site, 1);
    assert_false(leave(fixture->site, 1));
    assert_true(enter(fixture->site, 2)); /* now one waits, of another frame and site */
    sonde_hit_suspend(fixture->site, 1);
    sonde_hit_suspend(fixture->other, 2);
    pass_time();
    sonde_hit_resume(fixture->site, 1);
    assert_true(leave(fixture->site, 2));
    assert_int_equal(take(fixture).suspended_ns, -1);
    sonde_hit_suspend(fixture->site, 2); /* it is over */
    assert_true(is_queue_empty(fixture));
    assert_int_equal(errno, EDOM);
}

/* What was known of the number's last frame is not its next one's. */
static void
test_PY_05_a_lost_entry_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    pass_time();
    assert_true(enter(fixture->site, 1)); /* the first is lost, suspended as it was */
    assert_true(leave(fixture->site, 1));
    assert_int_equal(take(fixture).suspended_ns, -1);
    assert_int_equal(sonde_drops_get(&fixture->probe->drops, SONDE_DROP_ENTRY_LOST), 1);

    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    for (uint64_t frame = 2; frame < SONDE_INFLIGHT_MAX_COUNT + 2; frame++) {
        assert_int_equal(sonde_inflight_put(fixture->recorder.inflight, fixture->site,
                                            frame, 1, SONDE_STR("x")),
                         SONDE_OK);
    }
    sonde_hit_resume(fixture->site, 1); /* was the oldest: it went */
    assert_false(leave(fixture->site, 1));
    assert_true(is_queue_empty(fixture));
    assert_int_equal(sonde_drops_get(&fixture->probe->drops, SONDE_DROP_ENTRY_LOST), 2);
}

static void
test_PY_05_nothing_is_allocated(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_alloc_testonly_fail_at(1, true);
    sonde_hit_suspend(fixture->site, 1);
    sonde_hit_resume(fixture->site, 1);
    sonde_hit_suspend(fixture->site, 1);
    pass_time();
    sonde_hit_resume(fixture->site, 1);
    bool has_ended = leave(fixture->site, 1);
    sonde_alloc_testonly_fail_at(0, false);
    assert_true(has_ended);
    assert_true(take(fixture).suspended_ns >= BIT_NS);
}

/* PY-08: nor has a probe that goes any use for them. */
static void
test_PY_08_a_removed_site_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    assert_int_equal(sonde_inflight_drop_site(fixture->recorder.inflight, fixture->site),
                     1);
    sonde_hit_resume(fixture->site, 1);
    sonde_hit_suspend(fixture->site, 1);
    assert_false(leave(fixture->site, 1));
    assert_true(is_queue_empty(fixture));
}

/* --- Several ------------------------------------------------------------------------------ */

/* PY-04: two frames of one function take turns, inside a third. */
static void
test_PY_04_interleaved_frames_have_times_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct sonde_site *site = fixture->site;
    assert_true(enter(site, 9)); /* never suspended */
    assert_true(enter(site, 1));
    sonde_hit_suspend(site, 1);
    pass_time();
    assert_true(enter(site, 2));
    sonde_hit_suspend(site, 2);
    pass_time();
    sonde_hit_resume(site, 1);
    pass_time(); /* 1 runs, 2 waits */
    sonde_hit_suspend(site, 1);
    sonde_hit_resume(site, 2);
    pass_time(); /* the other way round */
    assert_true(leave(site, 2));
    sonde_hit_resume(site, 1);
    assert_true(leave(site, 1));
    assert_true(leave(site, 9));

    struct said second = take(fixture), first = take(fixture), outer = take(fixture);
    assert_int_equal(second.frame, 2);
    assert_int_equal(first.frame, 1);
    assert_int_equal(outer.frame, 9);
    assert_true(first.suspended_ns >= 3 * BIT_NS && first.running_ns >= BIT_NS);
    assert_true(second.suspended_ns >= 2 * BIT_NS && second.running_ns >= BIT_NS);
    assert_int_equal(outer.suspended_ns, -1);
    assert_true(outer.duration_ns >= first.duration_ns);
}

/* One frame number with two probes on the function: each has its own entry. */
static void
test_PY_04_two_sites_of_a_frame(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    assert_true(enter(fixture->other, 1));
    sonde_hit_suspend(fixture->other, 1);
    pass_time();
    sonde_hit_resume(fixture->other, 1);
    assert_true(leave(fixture->site, 1));
    assert_true(leave(fixture->other, 1));
    assert_int_equal(take(fixture).suspended_ns, -1);
    assert_true(take(fixture).suspended_ns >= BIT_NS);
}

/* So many sites of one frame that some lie in one bucket of the table. */
static void
test_PY_04_many_sites_of_a_frame(void **state)
{
    enum { SITES = 1000 };
    static struct sonde_site *sites[SITES];
    struct fixture *fixture = *state;
    struct sonde_inflight *table = fixture->recorder.inflight;
    const struct sonde_finding_entry found = {.file = SONDE_STR("a"),
                                              .function = SONDE_STR("f")};
    for (int i = 0; i < SITES; i++) {
        sites[i] = sonde_site_new(fixture->probe, &found);
        assert_int_equal(sonde_inflight_put(table, sites[i], 1, 0, SONDE_STR("x")),
                         SONDE_OK);
    }
    for (int i = 0; i < SITES; i += 3) {
        sonde_inflight_suspend(table, sites[i], 1);
    }
    for (int i = 0; i < SITES; i++) {
        struct sonde_inflight_entry *entry = sonde_inflight_take(table, sites[i], 1);
        assert_non_null(entry);
        assert_ptr_equal(entry->site, sites[i]);
        assert_true((entry->suspended_since_ns != INT64_MIN) == (i % 3 == 0));
        sonde_free(entry);
        sonde_site_unref(sites[i]);
    }
}

struct turn {
    struct fixture *fixture;
    bool has_ended;
};

static void *
resume_and_suspend(void *arg)
{
    struct turn *turn = arg;
    sonde_hit_resume(turn->fixture->site, 1);
    pass_time();
    sonde_hit_suspend(turn->fixture->site, 1);
    return NULL;
}

static void *
resume_and_leave(void *arg)
{
    struct turn *turn = arg;
    sonde_hit_resume(turn->fixture->site, 1);
    turn->has_ended = leave(turn->fixture->site, 1);
    return NULL;
}

/* PY-04: entered here, gone on with on a second thread, ended on a third. */
static void
test_PY_04_each_turn_on_another_thread(void **state)
{
    struct fixture *fixture = *state;
    void *(*const turns[])(void *) = {resume_and_suspend, resume_and_suspend,
                                      resume_and_leave};
    struct turn turn = {.fixture = fixture};
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    for (int i = 0; i < 3; i++) {
        pass_time();
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, turns[i], &turn), 0);
        pthread_join(thread, NULL);
    }
    assert_true(turn.has_ended);
    struct said said = take(fixture);
    assert_int_equal(said.frame, 1);
    assert_true(said.suspended_ns >= 3 * BIT_NS);
    assert_true(said.running_ns >= 2 * BIT_NS);
    assert_false(sonde_site_has_waiting(fixture->site));
}

enum { THREADS = 4, ROUNDS = 2000, FRAMES = 7 };

struct worker {
    struct fixture *fixture;
    uint64_t first_frame;
    uint64_t ended;
};

/* All of a thread's frames are alive at once, and its neighbours suspend and resume them too: that is
 * no use of it that a runtime makes, but must do no harm. */
static void *
work(void *arg)
{
    struct worker *worker = arg;
    struct sonde_site *site = worker->fixture->site;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t frame = worker->first_frame + round % FRAMES;
        enter(site, frame);
        sonde_hit_suspend(site, frame);
        sonde_hit_suspend(site, (frame + FRAMES) % (THREADS * FRAMES));
        sonde_hit_resume(site, (frame + 2) % (THREADS * FRAMES));
        worker->ended += leave(site, frame);
    }
    return NULL;
}

static void
test_PY_04_threads_that_do_all_at_once(void **state)
{
    struct fixture *fixture = *state;
    sonde_limiter_init(&fixture->recorder.rate, 1e9, 1);
    sonde_limiter_init(&fixture->probe->rate, 1e9, 1);
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){fixture, i * FRAMES, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    uint64_t ended = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ended += workers[i].ended;
    }
    assert_true(ended > 0);
    for (uint64_t i = 0; i < fixture->probe->captured; i++) {
        assert_true(take(fixture).suspended_ns >= 0); /* take checks the rest */
    }
    assert_true(is_queue_empty(fixture));
}

/* --- Fork --------------------------------------------------------------------------------- */

/* 0, or the line of what is wrong. */
static int
go_on_as_child(struct fixture *fixture)
{
    alarm(20); /* a lock that is waited on ends here */
    if (sonde_recorder_after_fork(&fixture->recorder) != SONDE_OK) {
        return __LINE__ % 256;
    }
    atomic_store(&fixture->site->waiting, 0); /* as sonde_registry_after_fork does */
    sonde_hit_resume(fixture->site, 1);
    sonde_hit_suspend(fixture->site, 1);
    if (leave(fixture->site, 1)) {
        return __LINE__ % 256;
    }
    if (!enter(fixture->site, 1) || !leave(fixture->site, 1)) {
        return __LINE__ % 256;
    }
    return take(fixture).suspended_ns == -1 ? 0 : __LINE__ % 256;
}

static void
test_CORE_13_fork_while_suspended(void **state)
{
    struct fixture *fixture = *state;
    assert_true(enter(fixture->site, 1));
    sonde_hit_suspend(fixture->site, 1);
    pid_t child = fork();
    if (child == 0) {
        _exit(go_on_as_child(fixture));
    }
    assert_true(child > 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pass_time();
    sonde_hit_resume(fixture->site, 1);
    assert_true(leave(fixture->site, 1));
    assert_true(take(fixture).suspended_ns >= BIT_NS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_PY_05_suspended_time_is_told_apart),
        TEST(test_PY_05_never_suspended_is_not_suspended_for_no_time),
        TEST(test_PY_05_twice_is_once),
        TEST(test_PY_05_exit_ends_a_suspension),
        TEST(test_PY_05_without_an_entry_nothing_happens),
        TEST(test_PY_05_a_lost_entry_leaves_nothing),
        TEST(test_PY_05_nothing_is_allocated),
        TEST(test_PY_08_a_removed_site_is_left_alone),
        TEST(test_PY_04_interleaved_frames_have_times_of_their_own),
        TEST(test_PY_04_two_sites_of_a_frame),
        TEST(test_PY_04_many_sites_of_a_frame),
        TEST(test_PY_04_each_turn_on_another_thread),
        TEST(test_PY_04_threads_that_do_all_at_once),
        TEST(test_CORE_13_fork_while_suspended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
