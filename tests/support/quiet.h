/* tests/support/quiet.h - for tests in which processes crash on purpose: reports and lines of the log go nowhere. Tests that look at what is said have
 * sinks of their own. */
#ifndef TESTS_SUPPORT_QUIET_H
#define TESTS_SUPPORT_QUIET_H

#include <stddef.h>
#include "base/log.h"
#include "proc/contain/report.h"

static inline void quiet_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

static inline void quiet_line(int level, const char *line, size_t length)
{
    (void)level, (void)line, (void)length;
}

static inline void be_quiet(void)
{
    esi_report_configure();
    esi_report_set_sink(quiet_report);
    esi_log_set_sink(quiet_line);
}

#endif
