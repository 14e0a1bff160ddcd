/* tests/support/as_written.h - code that compilers leave as it is written, and checkers leave alone: for misdeeds, and for places that a test looks for. */
#ifndef TESTS_SUPPORT_AS_WRITTEN_H
#define TESTS_SUPPORT_AS_WRITTEN_H

/* Attributes: static __attribute__((AS_WRITTEN)) void f(void) */
#ifdef __clang__
#define AS_WRITTEN noinline, optnone
#else
#define AS_WRITTEN noinline, noipa
#endif

/* The same, and no sanitizer sees what it does: static UNCHECKED void f(void) */
#define UNCHECKED __attribute__((AS_WRITTEN, no_sanitize("address", "undefined", "thread")))

#endif
