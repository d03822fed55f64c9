/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/agent_private.h"

#include "core/base/log.h"
#include "core/capture/tape_reader.h"

#include <stdarg.h>
#include <stdio.h>

/* The registry writes a whole array; what could not even be read as a definition is no probe
 * of it, so those statuses are put in before the closing bracket. */
void
sonde_agent_write_statuses(struct sonde_agent *agent, struct sonde_json_writer *out)
{
    struct sonde_buf *buf = out->out;
    sonde_registry_report(agent->registry, out);
    sonde_lock_take(&agent->mailbox);
    if (agent->refused != NULL && buf->failed == SONDE_OK) {
        buf->len--;
        out->comma = buf->data[buf->len - 1] != '[';
        sonde_delivery_report(agent->refused, out);
        sonde_json_array_end(out);
    }
    sonde_lock_drop(&agent->mailbox);
}

void
sonde_agent_write_report(struct sonde_agent *agent, struct sonde_buf *out)
{
    struct sonde_json_writer writer;
    sonde_json_writer_init(&writer, out);
    sonde_json_object_begin(&writer);
    sonde_json_key(&writer, "instance_id");
    sonde_json_string(&writer, sonde_str_from(agent->identity.instance_id));
    sonde_json_key(&writer, "statuses");
    if (atomic_load(&agent->stop_deadline_ns) != 0 && agent->last_statuses.len > 0) {
        sonde_json_raw(&writer, sonde_buf_view(&agent->last_statuses));
    } else {
        sonde_agent_write_statuses(agent, &writer);
    }
    sonde_json_key(&writer, "armed");
    sonde_json_uint(&writer, sonde_registry_armed_count(agent->registry));
    sonde_json_key(&writer, "dropped");
    sonde_drops_write(&writer, &agent->recorder.drops);
    sonde_json_key(&writer, "disarmed");
    sonde_faults_report(&agent->faults, &writer);
    sonde_json_key(&writer, "symbols");
    sonde_symbols_write_report(agent, &writer);
    sonde_json_object_end(&writer);
}

uint64_t
sonde_agent_report_version(struct sonde_agent *agent)
{
    /* All of them only grow, so the sum changes when any of them does. */
    uint64_t version = sonde_registry_version(agent->registry);
    for (int drop = 0; drop < SONDE_DROP_COUNT; drop++) {
        version += sonde_drops_get(&agent->recorder.drops, (enum sonde_drop)drop);
    }
    return version + atomic_load(&agent->faults.total) +
           atomic_load_explicit(&agent->symbols.version, memory_order_relaxed);
}

void
sonde_agent_count_drops(struct sonde_agent *agent, enum sonde_drop drop, uint64_t count)
{
    atomic_fetch_add_explicit(&agent->recorder.drops.count[drop], count,
                              memory_order_relaxed);
}

void
sonde_agent_drop_record(struct sonde_agent *agent, struct sonde_str record,
                        enum sonde_drop drop)
{
    struct sonde_tape_reader reader;
    sonde_agent_count_drops(agent, drop, 1);
    if (sonde_tape_reader_init(&reader, record) == SONDE_OK) {
        sonde_registry_dropped(agent->registry, reader.header.probe_id, drop);
    }
}

void
sonde_agent_fault(struct sonde_agent *agent, const char *part, const char *format, ...)
{
    char message[sizeof(((struct sonde_fault *)0)->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    sonde_log(SONDE_LOG_WARNING, "%s: %s", part, message);
    /* In a child nobody rebuilt, the lock may be held by a thread that is not there. */
    if (agent == NULL || (atomic_load(&agent->is_stale) && !agent->is_renewed)) {
        return;
    }
    if (sonde_faults_add(&agent->faults, part, message)) {
        sonde_agent_wake(agent);
    }
}

size_t
sonde_agent_testonly_report(struct sonde_agent *agent, char *out, size_t size)
{
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    if (agent != NULL && !atomic_load(&agent->is_stale)) {
        sonde_agent_write_report(agent, &buf);
    }
    size_t len = buf.failed == SONDE_OK ? buf.len : 0;
    if (size > 0) {
        size_t kept = len < size ? len : size - 1;
        if (kept > 0) {
            memcpy(out, buf.data, kept);
        }
        out[kept] = '\0';
    }
    sonde_buf_fini(&buf);
    return len;
}
