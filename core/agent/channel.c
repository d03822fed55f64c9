/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/channel.h"

#include "core/agent/agent_private.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define POLL_WAIT_MS 10000
#define POLL_TIMEOUT_NS (20 * SONDE_NS_PER_S) /* the wait, and time for the answer */
#define POLL_APART_NS (20 * SONDE_NS_PER_MS)  /* a collector that never holds one */
#define STATUS_TIMEOUT_NS (10 * SONDE_NS_PER_S)
#define STATUS_APART_NS SONDE_NS_PER_S        /* for counters that move */
#define UNSURE_BYE_NS (250 * SONDE_NS_PER_MS) /* for a collector that never answered */
#define FIRST_DELAY_NS (100 * SONDE_NS_PER_MS)
#define MOST_DELAY_NS (5 * SONDE_NS_PER_S)

static int64_t
later(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

void
sonde_channel_init(struct sonde_channel *channel, struct sonde_agent *agent,
                   struct sonde_http *http)
{
    *channel = (struct sonde_channel){.agent = agent, .http = http};
    sonde_buf_init(&channel->generation, 0);
    sonde_backoff_init(&channel->poll_backoff, FIRST_DELAY_NS, MOST_DELAY_NS);
    sonde_backoff_init(&channel->status_backoff, FIRST_DELAY_NS, MOST_DELAY_NS);
}

void
sonde_channel_fini(struct sonde_channel *channel)
{
    sonde_buf_fini(&channel->generation);
}

/* Starts a call with a JSON body, which it takes. */
static int
post(struct sonde_channel *channel, const char *path, struct sonde_buf *body,
     int64_t timeout_ns, sonde_http_done_fn *done, struct sonde_http_call **call)
{
    struct sonde_http_request request = {
        .method = "POST",
        .path = path,
        .content_type = "application/json",
        .body = sonde_buf_view(body),
        .timeout_ns = timeout_ns,
        .done = done,
        .arg = channel,
    };
    int rc = body->failed;
    if (rc == SONDE_OK) {
        rc = sonde_http_start(channel->http, &request, call, NULL);
    }
    sonde_buf_fini(body);
    if (rc != SONDE_OK) {
        sonde_agent_fault(channel->agent, "channel", "%s: %s", path, sonde_code_text(rc));
    }
    return rc;
}

/* --- The poll ----------------------------------------------------------------------------- */

/* True when the answer was usable. What it can not use changes nothing: the probes stay, and
 * the same generation is asked for again. */
static bool
take_answer(struct sonde_channel *channel, struct sonde_str body)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_delivery *delivery;
    int rc = sonde_delivery_read(&delivery, body, &err);
    if (rc != SONDE_OK) {
        sonde_agent_fault(channel->agent, "channel", "definitions: %s: %s", err.where,
                          err.message);
        return false;
    }
    struct sonde_buf generation;
    sonde_buf_init(&generation, 0);
    sonde_buf_str(&generation, delivery->generation);
    if (generation.failed != SONDE_OK) {
        sonde_buf_fini(&generation);
        sonde_delivery_free(delivery);
        return false;
    }
    sonde_buf_fini(&channel->generation);
    channel->generation = generation;
    sonde_symbols_hear(channel->agent, &delivery->symbols);
    if (delivery->has_probes) {
        sonde_agent_deliver(channel->agent, delivery);
    } else {
        sonde_delivery_free(delivery);
    }
    return true;
}

static void
poll_done(void *arg, const struct sonde_http_response *response)
{
    struct sonde_channel *channel = arg;
    channel->poll = NULL;
    if (response->code == SONDE_E_CLOSED) {
        return; /* we gave it up ourselves */
    }
    if (response->code == SONDE_OK && response->status == 200 &&
        take_answer(channel, response->body)) {
        channel->is_known = true;
        channel->last_refusal = 0;
        sonde_backoff_reset(&channel->poll_backoff);
        return;
    }
    if (response->code != SONDE_OK) {
        sonde_log(SONDE_LOG_INFO, "no collector: %s", response->error);
    } else if (response->status != 200 && response->status != channel->last_refusal) {
        channel->last_refusal = response->status;
        sonde_log(SONDE_LOG_WARNING, "%s does not let this process register (HTTP %ld)",
                  channel->agent->config.server, response->status);
    }
    sonde_backoff_fail(&channel->poll_backoff, sonde_clock_mono_ns(),
                       response->retry_after_ns);
}

static void
start_poll(struct sonde_channel *channel, int64_t now_ns)
{
    const struct sonde_agent *agent = channel->agent;
    struct sonde_buf body;
    struct sonde_json_writer writer;
    sonde_buf_init(&body, 0);
    sonde_json_writer_init(&writer, &body);
    sonde_json_object_begin(&writer);
    sonde_identity_write(&writer, &agent->identity, &agent->config, &agent->adapter);
    sonde_json_key(&writer, "generation");
    sonde_json_string(&writer, sonde_buf_view(&channel->generation));
    sonde_json_key(&writer, "wait_ms");
    sonde_json_int(&writer, POLL_WAIT_MS);
    sonde_json_object_end(&writer);
    channel->poll_started_ns = now_ns;
    if (post(channel, "/api/v1/agent/poll", &body, POLL_TIMEOUT_NS, poll_done,
             &channel->poll) != SONDE_OK) {
        sonde_backoff_fail(&channel->poll_backoff, now_ns, -1);
    }
}

void
sonde_channel_end_poll(struct sonde_channel *channel)
{
    channel->was_polling = channel->poll != NULL;
    if (channel->poll != NULL) {
        sonde_http_cancel(channel->http, channel->poll);
    }
}

/* The collector lives again without its memory: register, and ask for the whole list. */
static void
restart(struct sonde_channel *channel)
{
    channel->must_restart = false;
    channel->is_known = false;
    sonde_channel_end_poll(channel);
    sonde_buf_reset(&channel->generation);
}

/* --- The report --------------------------------------------------------------------------- */

static void
status_done(void *arg, const struct sonde_http_response *response)
{
    struct sonde_channel *channel = arg;
    channel->status = NULL;
    if (response->code == SONDE_E_CLOSED) {
        return;
    }
    if (response->code == SONDE_OK && response->status == 200) {
        channel->has_reported = true;
        channel->version_known = channel->version_sent;
        sonde_backoff_reset(&channel->status_backoff);
        return;
    }
    channel->has_reported = false;
    channel->must_restart = response->code == SONDE_OK && response->status == 404;
    sonde_backoff_fail(&channel->status_backoff, sonde_clock_mono_ns(),
                       response->retry_after_ns);
}

static int
start_status(struct sonde_channel *channel, int64_t now_ns, int64_t timeout_ns)
{
    struct sonde_buf body;
    sonde_buf_init(&body, 0);
    /* The version first: what changes in between is reported once more. */
    channel->version_sent = sonde_agent_report_version(channel->agent);
    channel->status_sent_ns = now_ns;
    sonde_agent_write_report(channel->agent, &body);
    return post(channel, "/api/v1/agent/status", &body, timeout_ns, status_done,
                &channel->status);
}

/* Sends a report when it would say something new: at once after the safe point did
 * something, otherwise (counters) once in a while. */
static int64_t
step_status(struct sonde_channel *channel, int64_t now_ns)
{
    struct sonde_agent *agent = channel->agent;
    if (!channel->is_known || channel->status != NULL) {
        return INT64_MAX;
    }
    if (now_ns < channel->status_backoff.until_ns) {
        return channel->status_backoff.until_ns;
    }
    bool is_news = !channel->has_reported || atomic_load(&agent->has_news);
    if (!is_news) {
        if (sonde_agent_report_version(agent) == channel->version_known) {
            return INT64_MAX;
        }
        if (now_ns - channel->status_sent_ns < STATUS_APART_NS) {
            return channel->status_sent_ns + STATUS_APART_NS;
        }
    }
    atomic_store(&agent->has_news, false);
    if (start_status(channel, now_ns, STATUS_TIMEOUT_NS) != SONDE_OK) {
        channel->has_reported = false;
        sonde_backoff_fail(&channel->status_backoff, now_ns, -1);
        return channel->status_backoff.until_ns;
    }
    return INT64_MAX;
}

/* --- Steps -------------------------------------------------------------------------------- */

int64_t
sonde_channel_step(struct sonde_channel *channel, int64_t now_ns)
{
    if (channel->must_restart) {
        restart(channel);
    }
    int64_t due_ns = INT64_MAX;
    if (channel->poll == NULL) {
        int64_t start_ns = later(channel->poll_backoff.until_ns,
                                 channel->poll_started_ns + POLL_APART_NS);
        if (start_ns <= now_ns) {
            start_poll(channel, now_ns);
            start_ns = channel->poll != NULL ? INT64_MAX : channel->poll_backoff.until_ns;
        }
        due_ns = start_ns;
    }
    int64_t status_ns = step_status(channel, now_ns);
    return due_ns < status_ns ? due_ns : status_ns;
}

static void
bye_done(void *arg, const struct sonde_http_response *response)
{
    struct sonde_channel *channel = arg;
    (void)response; /* nobody is left to act on it */
    channel->status = NULL;
}

static int
start_bye(struct sonde_channel *channel, int64_t timeout_ns)
{
    struct sonde_buf body;
    struct sonde_json_writer writer;
    sonde_buf_init(&body, 0);
    sonde_json_writer_init(&writer, &body);
    sonde_json_object_begin(&writer);
    sonde_json_key(&writer, "instance_id");
    sonde_json_string(&writer, sonde_str_from(channel->agent->identity.instance_id));
    sonde_json_object_end(&writer);
    return post(channel, "/api/v1/agent/bye", &body, timeout_ns, bye_done,
                &channel->status);
}

bool
sonde_channel_say_goodbye(struct sonde_channel *channel, int64_t now_ns,
                          int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - now_ns;
    if (channel->status != NULL) {
        return false; /* also a report from before */
    }
    if ((!channel->is_known && !channel->was_polling) || left_ns <= 0) {
        return true;
    }
    if (!channel->is_known && left_ns > UNSURE_BYE_NS) {
        left_ns = UNSURE_BYE_NS;
    }
    switch (channel->farewell) {
    case SONDE_FAREWELL_NONE:
        channel->farewell = SONDE_FAREWELL_STATUS;
        if (channel->is_known && start_status(channel, now_ns, left_ns) == SONDE_OK) {
            return false;
        }
        /* fall through */
    case SONDE_FAREWELL_STATUS:
        channel->farewell = SONDE_FAREWELL_BYE;
        return start_bye(channel, left_ns) != SONDE_OK;
    case SONDE_FAREWELL_BYE:
        break;
    }
    return true;
}
