/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-15 */
#include "core/agent/attributes.h"
#include "core/agent/config.h"
#include "core/base/alloc.h"
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *const variables[] = {
    "SONDE_SERVER",
    "SONDE_TOKEN",
    "SONDE_SERVICE",
    "SONDE_ENV",
    "SONDE_VERSION",
    "SONDE_REDACT_NAMES",
    "SONDE_REDACT_TYPES",
    "SONDE_REDACT_EXCLUDED",
    "SONDE_QUEUE_BYTES",
    "SONDE_MAX_RATE",
    "SONDE_CPU_PERCENT",
    "SONDE_FLUSH_MS",
    "SONDE_SYMBOLS",
    "SONDE_SYMBOLS_LIBRARIES",
    "SONDE_SYMBOLS_DEBOUNCE_MS",
    "SONDE_SOURCES",
    "SONDE_ENABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SONDE_OTLP_ENDPOINT",
};

static struct sonde_config config;

static int
setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        unsetenv(variables[i]);
    }
    sonde_log_set_level(SONDE_LOG_OFF);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    sonde_config_fini(&config);
    return 0;
}

static void
set(const char *name, const char *value)
{
    setenv(name, value, 1);
}

static void
read_config(void)
{
    assert_int_equal(sonde_config_init(&config, "kit", NULL), SONDE_OK);
}

static void
test_defaults(void **state)
{
    (void)state;
    read_config();
    assert_string_equal(config.server, "http://127.0.0.1:7077");
    assert_string_equal(config.snapshot_server, "");
    assert_string_equal(config.token, "");
    assert_string_equal(config.service, "unknown_service:kit");
    assert_string_equal(config.env, "");
    assert_string_equal(config.version, "");
    assert_string_equal(config.resource_attributes, "");
    assert_string_equal(config.redact_names, "");
    assert_int_equal(config.queue_bytes, 4 * 1024 * 1024);
    assert_true(config.snapshots_per_second > 99.9 &&
                config.snapshots_per_second < 100.1);
    assert_true(config.cpu_percent > 1.99 && config.cpu_percent < 2.01);
    assert_int_equal(config.flush_timeout_ns, INT64_C(2000000000));
    assert_string_equal(config.complaints, "");
}

static void
test_own_variables_are_read(void **state)
{
    (void)state;
    set("SONDE_SERVER", "https://sonde.example:8443/base/");
    set("SONDE_TOKEN", "secret-token");
    set("SONDE_SERVICE", "shop");
    set("SONDE_ENV", "prod");
    set("SONDE_VERSION", "2.0");
    set("SONDE_REDACT_NAMES", "iban");
    set("SONDE_REDACT_TYPES", "Card");
    set("SONDE_REDACT_EXCLUDED", "token");
    set("SONDE_QUEUE_BYTES", "262144");
    set("SONDE_MAX_RATE", "12.5");
    set("SONDE_CPU_PERCENT", "0.5");
    set("SONDE_FLUSH_MS", "0");
    read_config();
    assert_string_equal(config.server, "https://sonde.example:8443/base");
    assert_string_equal(config.token, "secret-token");
    assert_string_equal(config.service, "shop");
    assert_string_equal(config.env, "prod");
    assert_string_equal(config.version, "2.0");
    assert_string_equal(config.redact_names, "iban");
    assert_string_equal(config.redact_types, "Card");
    assert_string_equal(config.redact_excluded, "token");
    assert_int_equal(config.queue_bytes, 262144);
    assert_true(config.snapshots_per_second > 12.4 && config.snapshots_per_second < 12.6);
    assert_true(config.cpu_percent > 0.49 && config.cpu_percent < 0.51);
    assert_int_equal(config.flush_timeout_ns, 0);
    assert_string_equal(config.complaints, "");
}

static void
test_resource_attributes_give_the_names_percent_decoded(void **state)
{
    (void)state;
    set("OTEL_RESOURCE_ATTRIBUTES", " service.name = sh%6Fp%20%C3%A9 , service.version=3,"
                                    "deployment.environment=old,team=blue");
    read_config();
    assert_string_equal(config.service, "shop \xC3\xA9");
    assert_string_equal(config.version, "3");
    assert_string_equal(config.env, "old");
    assert_non_null(strstr(config.resource_attributes, "team=blue"));
    assert_string_equal(config.complaints, "");
}

static void
test_more_specific_names_win(void **state)
{
    (void)state;
    set("OTEL_RESOURCE_ATTRIBUTES",
        "service.name=attr,deployment.environment.name=new,deployment.environment=old");
    read_config();
    assert_string_equal(config.service, "attr");
    assert_string_equal(config.env, "new");
    sonde_config_fini(&config);
    set("OTEL_SERVICE_NAME", "otel");
    read_config();
    assert_string_equal(config.service, "otel");
    sonde_config_fini(&config);
    set("SONDE_SERVICE", "sonde");
    set("SONDE_ENV", "own");
    read_config();
    assert_string_equal(config.service, "sonde");
    assert_string_equal(config.env, "own");
}

static void
test_malformed_attributes_are_discarded_as_a_whole(void **state)
{
    static const char *const bad[] = {
        "service.name=a,team", "service.name=%zz",
        "service.name=%4",     "=x",
        "service.name=%ff",    "a=%",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set("OTEL_RESOURCE_ATTRIBUTES", bad[i]);
        read_config();
        assert_string_equal(config.service, "unknown_service:kit");
        assert_string_equal(config.resource_attributes, "");
        assert_non_null(strstr(config.complaints, "OTEL_RESOURCE_ATTRIBUTES"));
        sonde_config_fini(&config);
    }
}

static void
test_bad_values_are_reported_and_defaults_stand(void **state)
{
    static const struct {
        const char *name, *value;
    } bad[] = {
        {"SONDE_SERVER", "localhost:7077"},
        {"SONDE_SERVER", "http://"},
        {"SONDE_SERVER", "http://a b"},
        {"SONDE_SERVER", "ftp://host"},
        {"SONDE_TOKEN", "two words"},
        {"SONDE_TOKEN", "line\r\nHost: x"},
        {"SONDE_QUEUE_BYTES", "262143"},
        {"SONDE_QUEUE_BYTES", "4M"},
        {"SONDE_QUEUE_BYTES", "-1"},
        {"SONDE_QUEUE_BYTES", "99999999999999999999"},
        {"SONDE_MAX_RATE", "0"},
        {"SONDE_MAX_RATE", "nan"},
        {"SONDE_MAX_RATE", "1,5"},
        {"SONDE_CPU_PERCENT", "101"},
        {"SONDE_CPU_PERCENT", "1."},
        {"SONDE_FLUSH_MS", "60001"},
        {"SONDE_SERVICE", "\xFF\xFE"},
        {"SONDE_CPU_PERCENT", ".5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set(bad[i].name, bad[i].value);
        read_config();
        assert_non_null(strstr(config.complaints, bad[i].name));
        assert_string_equal(config.server, "http://127.0.0.1:7077");
        assert_string_equal(config.token, "");
        assert_string_equal(config.service, "unknown_service:kit");
        assert_int_equal(config.queue_bytes, 4 * 1024 * 1024);
        assert_true(config.snapshots_per_second > 99);
        assert_true(config.cpu_percent > 1 && config.cpu_percent < 3);
        assert_int_equal(config.flush_timeout_ns, INT64_C(2000000000));
        sonde_config_fini(&config);
        unsetenv(bad[i].name);
    }
    set("SONDE_MAX_RATE", "x");
    set("SONDE_FLUSH_MS", "y");
    read_config();
    assert_non_null(strstr(config.complaints, "; SONDE_FLUSH_MS: "));
}

/* SY-03 SY-06 SY-08 */
static void
test_symbols(void **state)
{
    (void)state;
    read_config();
    assert_true(config.has_symbols);
    assert_false(config.has_symbols_at_once);
    assert_true(config.has_libraries);
    assert_true(config.has_sources);
    assert_int_equal(config.symbols_debounce_ns, INT64_C(2000000000));
    sonde_config_fini(&config);
    set("SONDE_SYMBOLS", "now");
    set("SONDE_SYMBOLS_LIBRARIES", "0");
    set("SONDE_SYMBOLS_DEBOUNCE_MS", "150");
    set("SONDE_SOURCES", "no");
    read_config();
    assert_true(config.has_symbols && config.has_symbols_at_once);
    assert_false(config.has_libraries);
    assert_false(config.has_sources);
    assert_int_equal(config.symbols_debounce_ns, 150000000);
    assert_string_equal(config.complaints, "");
    sonde_config_fini(&config);
    set("SONDE_SYMBOLS", "0");
    set("SONDE_SOURCES", "maybe");
    read_config();
    assert_false(config.has_symbols);
    assert_true(config.has_sources);
    assert_non_null(strstr(config.complaints, "SONDE_SOURCES"));
}

/* The text of files leaves the machine only when somebody said so. */
static void
test_sources_stay_on_the_machine(void **state)
{
    static const struct {
        const char *server;
        bool has_sources;
    } servers[] = {
        {"http://127.0.0.1:7077", true},
        {"https://127.1.2.3/base", true},
        {"http://localhost", true},
        {"http://[::1]:7077", true},
        {"http://127.example.com", false},
        {"http://127.0.0.1.example.com", false},
        {"http://localhost.example.com:80", false},
        {"http://localhost:80@example.com", false},
        {"http://collector:7077", false},
        {"http://10.0.0.1:7077", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        set("SONDE_SERVER", servers[i].server);
        read_config();
        assert_int_equal(config.has_sources, servers[i].has_sources);
        sonde_config_fini(&config);
    }
    set("SONDE_SOURCES", "1");
    read_config();
    assert_true(config.has_sources);
}

static void
test_empty_server_is_no_network(void **state)
{
    (void)state;
    set("SONDE_SERVER", "");
    set("SONDE_OTLP_ENDPOINT", "http://otel:4318");
    read_config();
    assert_string_equal(config.server, "");
    assert_string_equal(config.snapshot_server, "");
}

static void
test_core_15_another_backend_takes_snapshots_when_told_so(void **state)
{
    (void)state;
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318/");
    read_config();
    assert_string_equal(config.server, "http://127.0.0.1:7077");
    assert_string_equal(config.snapshot_server, "");
    sonde_config_fini(&config);
    set("SONDE_OTLP_ENDPOINT", "otel");
    read_config();
    assert_string_equal(config.server, "http://127.0.0.1:7077");
    assert_string_equal(config.snapshot_server, "http://otel:4318");
    sonde_config_fini(&config);
    set("SONDE_OTLP_ENDPOINT", "http://backend:4318");
    set("SONDE_SERVER", "http://sonde:1");
    read_config();
    assert_string_equal(config.server, "http://sonde:1");
    assert_string_equal(config.snapshot_server, "http://backend:4318");
}

static void
test_kill_switch(void **state)
{
    (void)state;
    assert_true(sonde_config_allows_start());
    set("SONDE_ENABLED", "1");
    assert_true(sonde_config_allows_start());
    set("SONDE_ENABLED", "0");
    assert_false(sonde_config_allows_start());
    set("SONDE_ENABLED", "false");
    assert_false(sonde_config_allows_start());
}

static void
test_attribute_reader_skips_empty_pieces(void **state)
{
    struct sonde_buf scratch;
    struct sonde_str key, value, rest = SONDE_STR(",,a=1%2C2 , ,b=,");
    (void)state;
    sonde_buf_init(&scratch, 0);
    assert_int_equal(sonde_attributes_next(&rest, &scratch, &key, &value), 1);
    assert_true(sonde_str_eq(key, SONDE_STR("a")));
    assert_true(sonde_str_eq(value, SONDE_STR("1,2")));
    assert_int_equal(sonde_attributes_next(&rest, &scratch, &key, &value), 1);
    assert_true(sonde_str_eq(key, SONDE_STR("b")));
    assert_int_equal(value.len, 0);
    assert_int_equal(sonde_attributes_next(&rest, &scratch, &key, &value), 0);
    sonde_buf_fini(&scratch);
}

static void
test_copy_fills_absent_texts(void **state)
{
    struct sonde_config sparse = {.server = (char *)"http://x", .queue_bytes = 7};
    (void)state;
    assert_int_equal(sonde_config_dup(&config, &sparse), SONDE_OK);
    assert_string_equal(config.server, "http://x");
    assert_ptr_not_equal(config.server, sparse.server);
    assert_string_equal(config.token, "");
    assert_int_equal(config.queue_bytes, 7);
}

/* CORE-17: every allocation may fail. */
static void
test_CORE_17_no_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    set("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,service.version=b");
    set("SONDE_MAX_RATE", "bad");
    uint64_t n = 1;
    for (;; n++) {
        sonde_alloc_testonly_fail_at(n, false);
        int rc = sonde_config_init(&config, "kit", NULL);
        uint64_t made = sonde_alloc_testonly_fail_at(0, false);
        if (rc == SONDE_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(rc, SONDE_E_NOMEM);
    }
    assert_true(n > 10);
    assert_string_equal(config.service, "a");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_own_variables_are_read),
        TEST(test_resource_attributes_give_the_names_percent_decoded),
        TEST(test_more_specific_names_win),
        TEST(test_malformed_attributes_are_discarded_as_a_whole),
        TEST(test_bad_values_are_reported_and_defaults_stand),
        TEST(test_symbols),
        TEST(test_sources_stay_on_the_machine),
        TEST(test_empty_server_is_no_network),
        TEST(test_core_15_another_backend_takes_snapshots_when_told_so),
        TEST(test_kill_switch),
        TEST(test_attribute_reader_skips_empty_pieces),
        TEST(test_copy_fills_absent_texts),
        TEST(test_CORE_17_no_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
