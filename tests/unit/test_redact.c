/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-07 */
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/capture/redact.h"
#include "core/capture/redact_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct sonde_redactor *
redactor_of(const char *names, const char *types, const char *excluded)
{
    struct sonde_redactor *redactor = NULL;

    assert_int_equal(sonde_redactor_new(&redactor, names, types, excluded, NULL),
                     SONDE_OK);
    return redactor;
}

static bool
hides(const struct sonde_redactor *redactor, const char *name)
{
    return sonde_redactor_hides_name(redactor, sonde_str_from(name));
}

static void
test_core_07_built_in_names(void **state)
{
    struct sonde_redactor *redactor = redactor_of(NULL, NULL, NULL);

    (void)state;
    assert_true(COUNT(redact_names) >= 90);
    for (size_t i = 0; i < COUNT(redact_names); i++) {
        assert_true(hides(redactor, redact_names[i]));
        if (i > 0) /* sorted, without repetition */
            assert_true(strcmp(redact_names[i - 1], redact_names[i]) < 0);
        for (const char *at = redact_names[i]; *at != '\0'; at++) /* in normal form */
            assert_true((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9'));
    }
    for (size_t i = 0; i < COUNT(redact_stems); i++)
        assert_true(hides(redactor, redact_stems[i]));
    sonde_redactor_free(redactor);
}

static void
test_core_07_normal_form(void **state)
{
    static const char *const hidden[] = {
        "password",  "PASSWORD",   "Pass_Word",   "@password",  "$password",
        "pass-word", "pass word",  "__password_", "@@api_key",  "API-Key",
        "apiKey",    "creditCard", "Set-Cookie",  "SESSION_ID", "@_p-i$n ",
    };
    static const char *const shown[] = {
        "",
        "_",
        "p",
        "pi",
        "pins",
        "word",
        "passwordless",
        "order",
        "id",
        "name",
        "pass.word",
        "k\xc3\xa9y",
        "apikeys_count",
        "tokenizer",
        "secretary",
        "spin",
        "sessions",
    };
    struct sonde_redactor *redactor = redactor_of(NULL, NULL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(hidden); i++)
        assert_true(hides(redactor, hidden[i]));
    for (size_t i = 0; i < COUNT(shown); i++)
        assert_false(hides(redactor, shown[i]));
    assert_false(sonde_redactor_hides_name(redactor, (struct sonde_str){NULL, 0}));
    sonde_redactor_free(redactor);
}

/* Wherever something that is dropped stands in them, at their very end or before it, and in either case:
 * what is looked at first is how a name ends. */
static void
test_core_07_normal_form_of_each_name(void **state)
{
    struct sonde_redactor *redactor = redactor_of("q,xy", NULL, NULL);
    char text[80];

    (void)state;
    for (size_t i = 0; i < COUNT(redact_names); i++) {
        size_t len = strlen(redact_names[i]);
        for (size_t at = 0; at <= len; at++) {
            for (size_t count = 1; count <= 4; count++) {
                memcpy(text, redact_names[i], at);
                memcpy(text + at, "_-@$", count);
                strcpy(text + at + count, redact_names[i] + at);
                assert_true(hides(redactor, text));
                for (char *c = text; *c != '\0'; c++)
                    *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
                assert_true(hides(redactor, text));
            }
        }
    }
    assert_true(hides(redactor, "q"));
    assert_true(hides(redactor, "Q_"));
    assert_true(hides(redactor, "__x-Y "));
    assert_false(hides(redactor, "qq"));
    assert_false(hides(redactor, "axy"));
    sonde_redactor_free(redactor);
}

static void
test_core_07_strong_stems(void **state)
{
    static const char *const hidden[] = {
        "db_password",    "userToken",          "HTTP_AUTHORIZATION", "@api_key",
        "stripe_api_key", "my_secret",          "aws_credentials",    "ssh_private_key",
        "old_passwd",     "oauth_access_token", "credential",         "x-user-token",
        "gpgPassphrase",  "smtpPassword",
    };
    struct sonde_redactor *redactor = redactor_of(NULL, NULL, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(hidden); i++)
        assert_true(hides(redactor, hidden[i]));
    assert_false(hides(redactor, "password_count"));
    assert_false(hides(redactor, "token_bucket"));
    sonde_redactor_free(redactor);
}

static void
test_core_07_long_names_are_judged_by_their_end(void **state)
{
    struct sonde_redactor *redactor = redactor_of(NULL, NULL, NULL);
    char name[300];

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name + sizeof(name) - 9, "_pass_word", 9); /* cut: "…_pass_wor" */
    assert_false(
        sonde_redactor_hides_name(redactor, (struct sonde_str){name, sizeof(name)}));
    memcpy(name + sizeof(name) - 10, "_pass_word", 10);
    assert_true(
        sonde_redactor_hides_name(redactor, (struct sonde_str){name, sizeof(name)}));
    for (size_t len = 10; len <= sizeof(name); len++)
        assert_true(sonde_redactor_hides_name(
            redactor, (struct sonde_str){name + sizeof(name) - len, len}));
    memset(name, '_', sizeof(name));
    assert_false(
        sonde_redactor_hides_name(redactor, (struct sonde_str){name, sizeof(name)}));
    sonde_redactor_free(redactor);
}

static void
test_core_07_users_names(void **state)
{
    struct sonde_redactor *redactor =
        redactor_of(" Patient-Name,,diagnosis , _, token", NULL,
                    "session, next_token,  Diagnosis_Code");

    (void)state;
    assert_true(hides(redactor, "patient_name"));
    assert_true(hides(redactor, "@diagnosis"));
    assert_true(hides(redactor, "token"));
    assert_true(hides(redactor, "my_token"));
    assert_false(hides(redactor, "")); /* `_` has no normal form */
    assert_false(hides(redactor, "my_patient_name"));
    assert_false(hides(redactor, "session"));
    assert_false(hides(redactor, "@session"));
    assert_true(hides(redactor, "session_id"));
    assert_false(hides(redactor, "NextToken"));
    assert_true(hides(redactor, "last_next_token"));
    sonde_redactor_free(redactor);

    redactor = redactor_of("x", NULL, "X"); /* excluded wins */
    assert_false(hides(redactor, "x"));
    sonde_redactor_free(redactor);
}

static void
test_core_07_types(void **state)
{
    struct sonde_redactor *redactor = redactor_of(NULL, " Secret , my.Vault,,", NULL);

    (void)state;
    assert_true(sonde_redactor_hides_type(redactor, SONDE_STR("Secret")));
    assert_true(sonde_redactor_hides_type(redactor, SONDE_STR("my.Vault")));
    assert_false(sonde_redactor_hides_type(redactor, SONDE_STR("secret")));
    assert_false(sonde_redactor_hides_type(redactor, SONDE_STR("Secrets")));
    assert_false(sonde_redactor_hides_type(redactor, SONDE_STR("")));
    assert_false(hides(redactor, "my.Vault"));
    sonde_redactor_free(redactor);

    redactor = redactor_of("", "", "");
    assert_false(sonde_redactor_hides_type(redactor, SONDE_STR("Secret")));
    sonde_redactor_free(redactor);
    sonde_redactor_free(NULL);
}

static void
test_many_names(void **state)
{
    struct sonde_redactor *redactor = NULL;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_buf list;

    (void)state;
    sonde_buf_init(&list, 0);
    for (int i = 0; i < 1000; i++)
        sonde_buf_printf(&list, "name%dx,", i);
    redactor = redactor_of(sonde_buf_cstr(&list), list.data, NULL);
    assert_true(hides(redactor, "name_0_x"));
    assert_true(hides(redactor, "name_999_x"));
    assert_false(hides(redactor, "name_1000_x"));
    assert_true(sonde_redactor_hides_type(redactor, SONDE_STR("name500x")));
    sonde_redactor_free(redactor);

    sonde_buf_printf(&list, "onemore");
    redactor = NULL;
    assert_int_equal(
        sonde_redactor_new(&redactor, NULL, NULL, sonde_buf_cstr(&list), &err),
        SONDE_E_LIMIT);
    assert_null(redactor);
    assert_int_equal(err.code, SONDE_E_LIMIT);
    assert_string_equal(err.where, "redaction exclusions");
    sonde_buf_fini(&list);
}

static void
test_every_allocation_may_fail(void **state)
{
    struct sonde_redactor *redactor = NULL;
    uint64_t n = 1;

    (void)state;
    for (;; n++) {
        sonde_alloc_testonly_fail_at(n, false);
        int code = sonde_redactor_new(&redactor, "a,b", "C", "d", NULL);
        sonde_alloc_testonly_fail_at(0, false);
        if (code == SONDE_OK)
            break;
        assert_int_equal(code, SONDE_E_NOMEM);
        assert_null(redactor);
    }
    assert_true(n > 3);
    sonde_redactor_free(redactor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_07_built_in_names),
        cmocka_unit_test(test_core_07_normal_form),
        cmocka_unit_test(test_core_07_normal_form_of_each_name),
        cmocka_unit_test(test_core_07_strong_stems),
        cmocka_unit_test(test_core_07_long_names_are_judged_by_their_end),
        cmocka_unit_test(test_core_07_users_names),
        cmocka_unit_test(test_core_07_types),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
