/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests call; every name ends in _testonly. */
#ifndef SONDE_RB_TEST_SUPPORT_H
#define SONDE_RB_TEST_SUPPORT_H

#include "compat/compat.h"

/* Defines on Sonde::Native, all of which may raise:
 *   apply_testonly(json)         replaces the probes at once
 *   take_testonly                the oldest record as a Hash, nil when there is none
 *   discard_testonly             takes all records; how many there were
 *   safe_point_testonly          here and now
 *   armed_testonly               how many TracePoints are enabled
 *   carriers_testonly            how many TracePoints of ours the collector has not freed
 *   malloced_testonly            bytes of malloc in use in the whole process
 *   sequences_testonly(path)     the labels of the live sequences of a file
 *   words_testonly(sequence)     what the VM executes of a RubyVM::InstructionSequence
 *   forget_types_testonly(on)    as if the VM did not say what a sequence is of
 *   fail_testonly(name)          before start: a part of compat does not hold
 *   fail_call_testonly(n, on)    the nth call of sonde_rb_protect raises (on: and all after it)
 *   call_count_testonly          how many there were since
 *   hold_testonly { … }          runs the block with interrupts held back
 *   ask_testonly                 asks for a safe point, as the agent's thread does; when (ns)
 *   all_sequences_testonly       the RubyVM::InstructionSequences of all that is of a file and alive
 *   slice_testonly(pages)        how much of the heap is looked at in a safe point; 0: for 4 ms; -1: none
 *   walk_testonly                figures of the last walk through the heap
 *   safe_points_testonly         how many there were, and when the last one began (ns) */
void sonde_rb_test_support_init(VALUE module);

#endif
