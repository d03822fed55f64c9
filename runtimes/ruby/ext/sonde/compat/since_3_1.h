/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been so since CRuby 3.1; included behind since_2_7.h. */
#ifndef SONDE_RB_SINCE_3_1_H
#define SONDE_RB_SINCE_3_1_H

#define SONDE_RB_TARGETS_KEEP_DELETED 0 /* vm_trace.c: rb_hook_list_remove_tracepoint */

#define SONDE_RB_BACKTRACE_ENDS_INSIDE 0 /* vm_backtrace.c: begins with the innermost */

/* Given the TracePoint of :script_compiled. vm_eval.c: eval_make_iseq gives what it makes no real path. */
static inline void
sonde_rb_note_evaled(VALUE tracepoint, VALUE wrapper)
{
    (void)tracepoint, (void)wrapper;
}

/* The real path of the file that it was loaded from; nil: eval'd, it is in no file. */
static inline VALUE
sonde_rb_iseq_file(const struct sonde_rb_iseq *iseq)
{
    return rb_iseq_realpath(iseq);
}

#endif
