/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/resource.h"

#include "core/agent/attributes.h"
#include "core/base/clock.h"
#include "core/base/os.h"
#include "core/capture/snapshot.h"
#include "core/wire/utf8.h"

#include <stdio.h>
#include <unistd.h>

#define SDK_NAME_KEY "telemetry.sdk.name"
#define SDK_VERSION_KEY "telemetry.sdk.version"

void
sonde_identity_init(struct sonde_identity *identity)
{
    unsigned char random[16];
    sonde_os_random(random, sizeof(random));
    random[6] = (unsigned char)((random[6] & 0x0F) | 0x40); /* version 4 */
    random[8] = (unsigned char)((random[8] & 0x3F) | 0x80); /* variant 1 */
    char *out = identity->instance_id;
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        snprintf(out, 3, "%02x", random[i]);
        out += 2;
    }
    sonde_os_hostname(identity->host, sizeof(identity->host));
    if (!sonde_utf8_is_valid(sonde_str_from(identity->host))) {
        snprintf(identity->host, sizeof(identity->host), "unknown");
    }
    identity->pid = getpid();
    identity->started_at_ns = sonde_clock_wall_ns();
}

static void
write_text(struct sonde_buf *out, const char *key, const char *value)
{
    if (value[0] != '\0') {
        sonde_otlp_attr_str(out, SONDE_OTLP_RESOURCE_ATTR, key, sonde_str_from(value));
    }
}

/* What the user added, without the keys that are ours to say. */
static void
write_extra(struct sonde_buf *out, const char *attributes)
{
    static const char *const ours[] = {
        SONDE_ATTR_SERVICE, SONDE_ATTR_VERSION,  SONDE_ATTR_INSTANCE,
        SONDE_ATTR_ENV,     SONDE_ATTR_ENV_OLD,  SONDE_ATTR_PID,
        SONDE_ATTR_HOST,    SONDE_ATTR_LANGUAGE, SONDE_ATTR_RUNTIME_VERSION,
        SDK_NAME_KEY,       SDK_VERSION_KEY,
    };
    struct sonde_buf scratch;
    sonde_buf_init(&scratch, 0);
    struct sonde_str rest = sonde_str_from(attributes);
    struct sonde_str key, value;
    int more;
    while ((more = sonde_attributes_next(&rest, &scratch, &key, &value)) > 0) {
        char name[256];
        bool is_ours = key.len >= sizeof(name) || memchr(key.ptr, '\0', key.len) != NULL;
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            is_ours = is_ours || sonde_str_eq(key, sonde_str_from(ours[i]));
        }
        if (!is_ours) {
            snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
            sonde_otlp_attr_str(out, SONDE_OTLP_RESOURCE_ATTR, name, value);
        }
    }
    if (more == SONDE_E_NOMEM && out->failed == SONDE_OK) {
        out->failed = SONDE_E_NOMEM;
    }
    sonde_buf_fini(&scratch);
}

void
sonde_resource_write(struct sonde_buf *out, const struct sonde_identity *identity,
                     const struct sonde_config *config,
                     const struct sonde_adapter *adapter)
{
    write_text(out, SONDE_ATTR_SERVICE, config->service);
    write_text(out, SONDE_ATTR_VERSION, config->version);
    write_text(out, SONDE_ATTR_INSTANCE, identity->instance_id);
    write_text(out, SONDE_ATTR_ENV, config->env);
    write_text(out, SONDE_ATTR_ENV_OLD, config->env);
    write_text(out, SONDE_ATTR_HOST, identity->host);
    sonde_otlp_attr_int(out, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_PID, identity->pid);
    write_text(out, SDK_NAME_KEY, "sonde");
    write_text(out, SONDE_ATTR_LANGUAGE, adapter->language);
    write_text(out, SDK_VERSION_KEY, SONDE_VERSION);
    write_text(out, SONDE_ATTR_RUNTIME_VERSION, adapter->runtime_version);
    write_extra(out, config->resource_attributes);
}

void
sonde_identity_write(struct sonde_json_writer *out, const struct sonde_identity *identity,
                     const struct sonde_config *config,
                     const struct sonde_adapter *adapter)
{
    const struct {
        const char *key, *value;
    } members[] = {
        {"instance_id", identity->instance_id},
        {"service", config->service},
        {"env", config->env},
        {"version", config->version},
        {"language", adapter->language},
        {"runtime_version", adapter->runtime_version},
        {"host", identity->host},
        {"agent_version", SONDE_VERSION},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        sonde_json_key(out, members[i].key);
        sonde_json_string(out, sonde_str_from(members[i].value));
    }
    sonde_json_key(out, "pid");
    sonde_json_int(out, identity->pid);
    sonde_json_key(out, "started_at_ns");
    sonde_json_int(out, identity->started_at_ns);
}
